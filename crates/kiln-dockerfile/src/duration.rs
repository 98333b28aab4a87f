//! Durations as Go writes them: `1h2m3.5s`.

use std::time::Duration;

/// Nanoseconds of a unit.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form at all.
    #[error("invalid duration {0:?}; write it as 30s, 1m30s or 500ms")]
    Syntax(String),
    /// A number without a unit.
    #[error("missing unit in duration {0:?}; write it as 30s, 1m30s or 500ms")]
    MissingUnit(String),
    /// A unit that does not exist.
    #[error("unknown unit {unit:?} in duration {text:?}")]
    Unit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Below zero.
    #[error("duration {0:?} is negative")]
    Negative(String),
}

/// Parses a duration; only `0` may do without a unit.
///
/// # Errors
/// See [`DurationError`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let syntax = || DurationError::Syntax(text.to_string());
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(syntax());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if !number.bytes().any(|byte| byte.is_ascii_digit()) || number.matches('.').count() > 1 {
            return Err(syntax());
        }
        let length = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(length);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_string()));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::Unit {
                unit: unit.to_string(),
                text: text.to_string(),
            });
        };
        total = scaled(number, *scale)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(syntax)?;
        rest = after;
    }
    if text.starts_with('-') && total > 0 {
        return Err(DurationError::Negative(text.to_string()));
    }
    i64::try_from(total).map_err(|_| syntax())?;
    Ok(Duration::from_nanos(total))
}

/// A decimal number times nanoseconds.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        place /= 10;
        nanos = nanos.checked_add(u64::from(digit - b'0') * place)?;
    }
    Some(nanos)
}

/// The way Go prints a duration: `5m0s`, `1.5s`, `30ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let decimal = |unit: u128, name: &str, value: u128| {
        let digits = unit.ilog10() as usize;
        let text = format!("{}.{:0digits$}", value / unit, value % unit);
        format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match nanos {
        0 => "0s".to_string(),
        1..=999 => format!("{nanos}ns"),
        1_000..=999_999 => decimal(1_000, "µs", nanos),
        1_000_000..=999_999_999 => decimal(1_000_000, "ms", nanos),
        _ => {
            let seconds = decimal(1_000_000_000, "s", nanos % 60_000_000_000);
            let minutes = nanos / 60_000_000_000;
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_as_go_does() {
        for (text, nanos, printed) in [
            ("0", 0, "0s"),
            ("30s", 30_000_000_000, "30s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("5m", 300_000_000_000, "5m0s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("500ms", 500_000_000, "500ms"),
            (".5s", 500_000_000, "500ms"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("1µs", 1_000, "1µs"),
            ("1500us", 1_500_000, "1.5ms"),
            ("7ns", 7, "7ns"),
            ("1m0.5s", 60_500_000_000, "1m0.5s"),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed.as_nanos(), nanos, "{text}");
            assert_eq!(format(parsed), printed, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for (text, word) in [
            ("", "invalid"),
            ("30", "missing unit"),
            ("5x", "unknown unit"),
            ("s", "invalid"),
            ("1.2.3s", "invalid"),
            ("-1s", "negative"),
            ("99999999999999999999h", "invalid"),
            ("9999999h", "invalid"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
