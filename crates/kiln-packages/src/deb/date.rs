//! Dates as release files write them.
//!
//! Source: RFC 5322 section 3.3 with a zone of UTC, as "DebianRepository/Format" asks for `Date` and
//! `Valid-Until`: `Sat, 09 Dec 2023 10:38:41 UTC`.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Seconds since 1970, or nothing for what is not such a date. The day of the week is not looked at.
#[must_use]
pub fn parse_date(text: &str) -> Option<i64> {
    let rest = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = rest.split_whitespace();
    let day = number(words.next()?, 1, 31)?;
    let month = words.next()?;
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?;
    let year = number(words.next()?, 1970, 9999)?;
    let mut clock = words.next()?.split(':');
    let hour = number(clock.next()?, 0, 23)?;
    let minute = number(clock.next()?, 0, 59)?;
    let second = number(clock.next()?, 0, 60)?;
    let is_utc = matches!(words.next(), Some("UTC" | "GMT" | "Z" | "+0000" | "-0000"));
    if !is_utc || words.next().is_some() || clock.next().is_some() {
        return None;
    }
    let days = days_before(year, month as i64 + 1) + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let value = only_digits.then(|| text.parse().ok()).flatten()?;
    (least..=most).contains(&value).then_some(value)
}

/// Days from 1970-01-01 to the first of the month, in the Gregorian calendar, with years that begin in
/// March so that the leap day comes last.
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5;
    days - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
            ("Sat, 09 Dec 2023 10:38:41 UTC", 1_702_118_321),
            ("Thu, 29 Feb 2024 23:59:59 UTC", 1_709_251_199),
            ("1 Mar 2000 0:00:00 +0000", 951_868_800),
            ("Sun, 31 Dec 2000 12:00:00 GMT", 978_264_000),
        ] {
            assert_eq!(parse_date(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn other_texts_do_not() {
        for text in [
            "",
            "now",
            "Sat, 09 Dec 2023",
            "Sat, 09 Dec 2023 10:38:41 CET",
            "Sat, 09 Dec 2023 10:38:41",
            "32 Dec 2023 10:38:41 UTC",
            "09 Foo 2023 10:38:41 UTC",
            "09 Dec 99999 10:38:41 UTC",
            "09 Dec 2023 24:00:00 UTC",
            "09 Dec 2023 10:38 UTC",
            "+9 Dec 2023 10:38:41 UTC",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
