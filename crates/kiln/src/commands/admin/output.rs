//! What the commands show, and what they read: tables or JSON, times, lists from the API.

use std::io::Read as _;

use serde_json::Value;

use super::client::Client;
use crate::ui::report::Report;
use crate::ui::table::Table;
use crate::ui::{self, time};

/// How things are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

/// A column: its heading, and the cell of an entry.
pub(super) type Column = (&'static str, fn(&Value) -> String);

/// Entries of a list that are shown at most.
const MOST: usize = 100_000;

impl Output {
    /// Shows a list of the API.
    pub(super) fn list(
        self,
        client: &Client,
        path: &str,
        columns: &[Column],
    ) -> Result<(), Report> {
        self.list_at_most(client, path, MOST, columns)
    }

    /// Shows the beginning of a list.
    pub(super) fn list_at_most(
        self,
        client: &Client,
        path: &str,
        most: usize,
        columns: &[Column],
    ) -> Result<(), Report> {
        let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
        let mut table = Table::new(&headings);
        client.list(path, most, |entry| {
            if self.json {
                return Ok(ui::print(&format!("{entry}\n"))?);
            }
            table.row(columns.iter().map(|(_, cell)| cell(entry)).collect());
            Ok(())
        })?;
        if !self.json {
            ui::print(&table.render())?;
        }
        Ok(())
    }

    /// Shows a list that came as a whole.
    pub(super) fn entries(self, list: &Value, columns: &[Column]) -> Result<(), Report> {
        let items = list["items"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if self.json {
            let lines: String = items.iter().map(|entry| format!("{entry}\n")).collect();
            return Ok(ui::print(&lines)?);
        }
        let headings: Vec<&str> = columns.iter().map(|(heading, _)| *heading).collect();
        let mut table = Table::new(&headings);
        for entry in items {
            table.row(columns.iter().map(|(_, cell)| cell(entry)).collect());
        }
        Ok(ui::print(&table.render())?)
    }

    /// Shows one thing: as JSON, or its fields that have a value, one on each line.
    pub(super) fn one(self, value: &Value) -> Result<(), Report> {
        if self.json {
            return Ok(ui::print(&format!("{value}\n"))?);
        }
        let mut text = String::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            let shown = match (name.as_str(), value) {
                (_, Value::Null) => continue,
                ("created" | "expires" | "used" | "added", Value::Number(_)) => when(value),
                (_, Value::String(text)) => text.clone(),
                (_, Value::Array(list)) => words(list),
                (_, other) => other.to_string(),
            };
            let name = name.replace('_', " ");
            text.push_str(&format!("{name}: {shown}\n"));
        }
        Ok(ui::print(&text)?)
    }

    /// Says that something was done, for people; programs see the exit code.
    pub(super) fn done(self, message: &str) {
        if !self.json {
            ui::note(message);
        }
    }

    /// Shows a secret that the server shows this once: alone on standard output, so that it can be kept by
    /// a redirection.
    pub(super) fn secret(self, made: &Value) -> Result<(), Report> {
        if self.json {
            return Ok(ui::print(&format!("{made}\n"))?);
        }
        ui::note("this is shown only once:");
        Ok(ui::print(&format!("{}\n", text(&made["secret"])))?)
    }
}

/// A text; nothing for what is absent.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `yes`, or nothing.
pub(super) fn yes(value: &Value) -> String {
    let yes = value.as_bool().unwrap_or(false);
    (if yes { "yes" } else { "" }).to_owned()
}

/// A time of the API in milliseconds, from now: `3 hours ago`, `in 3 days`.
pub(super) fn when(value: &Value) -> String {
    let Some(then) = value.as_i64() else {
        return String::new();
    };
    let (then, now) = (then.div_euclid(1_000), time::now());
    match then > now {
        // The same words, looking forward.
        true => format!("in {}", time::ago(now, then).trim_end_matches(" ago")),
        false => time::ago(then, now),
    }
}

fn words(list: &[Value]) -> String {
    let words: Vec<String> = list.iter().map(text).collect();
    words.join(", ")
}

/// A robot's scopes, as they are given: `team/**:pull,push`.
pub(super) fn scopes(robot: &Value) -> String {
    let scopes = robot["scopes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let shown: Vec<String> = scopes
        .iter()
        .map(|scope| {
            let actions = scope["actions"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let actions: Vec<String> = actions.iter().map(text).collect();
            format!("{}:{}", text(&scope["repositories"]), actions.join(","))
        })
        .collect();
    shown.join(" ")
}

/// A length of time: `90s`, `15m`, `12h`, `30d`, `4w`; in milliseconds.
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a length of time: 90s, 15m, 12h, 30d or 4w");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let unit: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    i64::from(number)
        .checked_mul(unit * 1_000)
        .filter(|length| *length > 0)
        .ok_or_else(wrong)
}

/// When something ends that lasts so long from now, in milliseconds since 1970.
pub(super) fn from_now(lasts: Option<i64>) -> Option<i64> {
    lasts.map(|lasts| (time::now() * 1_000).saturating_add(lasts))
}

/// A password from standard input: its first line.
pub(super) fn password_from_stdin() -> Result<String, Report> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(4_096)
        .read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    match line.is_empty() {
        true => Err(Report::usage("there is no password on standard input")),
        false => Ok(line),
    }
}

/// A random password of 120 bits.
pub(super) fn random_password() -> Result<String, Report> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let letters: String = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte & 31)]))
        .collect();
    Ok(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        assert_eq!(parse_duration("90s"), Ok(90_000));
        assert_eq!(parse_duration("30d"), Ok(30 * 86_400_000));
        for bad in [
            "",
            "d",
            "0d",
            "-1d",
            "1",
            "1y",
            "1.5h",
            "99999999999w",
            "1ä",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_look_both_ways() {
        let now = time::now() * 1_000;
        assert_eq!(when(&Value::from(now - 7_200_000)), "2 hours ago");
        assert_eq!(when(&Value::from(now + 3 * 86_400_000 + 900)), "in 3 days");
        assert_eq!(when(&Value::Null), "");
    }

    #[test]
    fn random_passwords_differ() {
        let password = random_password().unwrap();
        assert_eq!(password.len(), 24);
        assert_ne!(password, random_password().unwrap());
    }
}
