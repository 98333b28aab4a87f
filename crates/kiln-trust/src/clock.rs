//! Points in time, in seconds, and their text.
//!
//! Sources: RFC 3339 for the text; Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms" for days and civil dates.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Seconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in UTC, and read in any offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// A text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time like 2026-11-24T06:28:07Z")]
pub struct InvalidTime(String);

impl Time {
    /// What the machine's clock says.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// So many seconds later.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// `YYYYMMDDHHMMSS` in UTC.
    pub(crate) fn from_digits(text: &str) -> Option<Self> {
        if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
        let days = days(part(0, 4)?, part(4, 6)?, part(6, 8)?)?;
        Some(Self(
            days * 86_400 + seconds(part(8, 10)?, part(10, 12)?, part(12, 14)?)?,
        ))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, rest) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = date(day);
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

impl FromStr for Time {
    type Err = InvalidTime;

    /// RFC 3339 section 5.6. A leap second counts as the second before; fractions are dropped.
    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        parse(text).ok_or_else(|| InvalidTime(text.chars().take(100).collect()))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

fn parse(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 || bytes.len() > 40 {
        return None;
    }
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| bytes[*at] != *mark)
        || !matches!(bytes[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let digits: String = [(0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)]
        .iter()
        .map(|(from, to)| &text[*from..*to])
        .collect();
    let local = Time::from_digits(&digits)?;
    let rest = text[19..]
        .strip_prefix('.')
        .map_or(&text[19..], |fraction| {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        });
    match rest.as_bytes() {
        b"Z" | b"z" => Some(local),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (
                rest[1..3].parse::<i64>().ok()?,
                rest[4..6].parse::<i64>().ok()?,
            );
            let offset = seconds(hours, minutes, 0)?;
            Some(local.plus(if *sign == b'+' { -offset } else { offset }))
        }
        _ => None,
    }
}

fn seconds(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let good = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    good.then(|| hour * 3600 + minute * 60 + second.min(59))
}

/// Days from 1970-01-01 to a date that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    // The 31st of a month that has none comes back as another date.
    (date(days) == (year, month, day)).then_some(days)
}

fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// A length of time like `90d`, `12h`, `30m`, `45s`, in seconds.
#[must_use]
pub fn parse_span(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        "y" => 31_536_000,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_any_offset() {
        let time: Time = "2026-11-24T06:28:07Z".parse().unwrap();
        assert_eq!(time, Time(1_795_501_687));
        for text in [
            "2026-11-24T07:28:07+01:00",
            "2026-11-24t06:28:07.999z",
            "2026-11-24 00:58:07-05:30",
        ] {
            assert_eq!(text.parse(), Ok(time), "{text}");
        }
        for days in [-719_468, -1, 0, 58, 59, 11_016, 20_000, 2_932_896] {
            let time = Time(days * 86_400 + 5);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2026-11-24",
            "2026-02-29T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T06:28:07",
            "2026-11-24T06:28:07+1:00",
            "2026-11-24T06:28:07+99:00",
            "2026-11-24T06:28:0é:00Z",
            "+026-11-24T06:28:07Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn spans() {
        assert_eq!(parse_span("90d"), Some(7_776_000));
        assert_eq!(parse_span("1w"), Some(604_800));
        for text in ["", "d", "-1d", "1", "1 d", "99999999999999999999y", "1é"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }
}
