//! Seconds since 1970 and the text that documents use for them (RFC 3339, UTC).
//!
//! The calendar arithmetic is the well-known one on eras of 400 years, with years that begin in March.

use std::time::{SystemTime, UNIX_EPOCH};

/// 1980-01-01T00:00:00Z: the oldest time that zip archives can hold, and the epoch of a reproducible
/// build that has nothing else to go by.
pub(crate) const FALLBACK_EPOCH: i64 = 315_532_800;

const DAY: i64 = 86_400;
const ERA_DAYS: i64 = 146_097;
/// Days from the era's start, 0000-03-01, to 1970-01-01.
const SHIFT: i64 = 719_468;

/// Now, in whole seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// `1980-01-01T00:00:00Z`.
pub(crate) fn to_rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY) + SHIFT, seconds.rem_euclid(DAY));
    let era = days.div_euclid(ERA_DAYS);
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads `2026-11-24T08:00:00[.123][Z|+01:00]`; `None` for anything else.
pub(crate) fn from_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators
        .iter()
        .any(|&(at, byte)| bytes.get(at).map(u8::to_ascii_uppercase) != Some(byte))
    {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let zone = text
        .get(19..)?
        .trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let local = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    Some(local - offset(zone)?)
}

fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_go_both_ways() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (FALLBACK_EPOCH, "1980-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_508_443, "2026-11-24T08:20:43Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(to_rfc3339(seconds), text);
            assert_eq!(from_rfc3339(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn zones_and_fractions_are_read() {
        assert_eq!(from_rfc3339("1970-01-01T01:00:00.5+01:00"), Some(0));
        assert_eq!(from_rfc3339("1969-12-31T19:00:00-05:00"), Some(0));
        for text in [
            "",
            "1970-01-01",
            "1970-13-01T00:00:00Z",
            "1970-01-01T00:00:00",
            "x970-01-01T00:00:00Z",
        ] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives() {
        for day in (-200_000..200_000).step_by(37) {
            let seconds = day * DAY + 3_661;
            assert_eq!(from_rfc3339(&to_rfc3339(seconds)), Some(seconds));
        }
    }
}
