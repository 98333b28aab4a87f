//! Sizes and times as people write them: `"4 MiB"`, `"30 s"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A text that is no size or no time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is no {kind}; write {example}")]
pub struct InvalidValue {
    text: String,
    kind: &'static str,
    example: &'static str,
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self::seconds(hours * 60 * 60)
    }
}

const SIZES: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// In milliseconds.
const PERIODS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl FromStr for ByteSize {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        scaled(text, SIZES).map(Self).ok_or_else(|| InvalidValue {
            text: text.to_owned(),
            kind: "size",
            example: "a number of bytes, or text such as \"4 MiB\"",
        })
    }
}

impl FromStr for Period {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = scaled(text, PERIODS).ok_or_else(|| InvalidValue {
            text: text.to_owned(),
            kind: "time",
            example: "text such as \"30 s\", \"5 min\", \"1 h\" or \"7 d\"",
        })?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// A whole number and a unit, with or without a blank between.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Takes both a number, where one makes sense, and text.
struct Either<T>(Option<fn(u64) -> T>);

impl<T: FromStr<Err = InvalidValue>> Visitor<'_> for Either<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "a number of bytes, or text such as \"4 MiB\"",
            None => "text such as \"30 s\"",
        })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        let unsigned = u64::try_from(value);
        match (self.0, unsigned) {
            (Some(make), Ok(value)) => Ok(make(value)),
            _ => Err(E::invalid_value(
                serde::de::Unexpected::Signed(value),
                &self,
            )),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        let unexpected = serde::de::Unexpected::Unsigned(value);
        self.0
            .map(|make| make(value))
            .ok_or_else(|| E::invalid_value(unexpected, &self))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        value.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(Some(ByteSize)))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, bytes) in [("0", 0), ("17", 17), ("4 MiB", 4 << 20), ("1kB", 1000)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for (text, seconds) in [("30 s", 30), ("5min", 300), ("5 m", 300), ("7d", 604_800)] {
            assert_eq!(text.parse(), Ok(Period::seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn what_overflows_or_has_no_unit_is_refused() {
        for text in [
            "",
            "MiB",
            "4 mib",
            "99999999999999999999",
            "20000000 TiB",
            "-1",
            "1.5 GB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        for text in ["30", "s", "1 week"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
