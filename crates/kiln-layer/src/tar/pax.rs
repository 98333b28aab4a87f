//! Records of extended headers: `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record.
//!
//! Source: POSIX.1-2017, "pax", section "pax Extended Header".

use super::error::TarErrorKind;
use crate::entry::Time;

/// The keyword prefix under which star, GNU tar and Go store extended attributes.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";

/// Appends one record.
pub(super) fn put_record(out: &mut Vec<u8>, key: &[&[u8]], value: &[u8]) {
    let key_len: usize = key.iter().map(|part| part.len()).sum();
    // Space, `=` and newline.
    let fixed = key_len + value.len() + 3;
    let mut len = fixed + decimal_len(fixed);
    if fixed + decimal_len(len) != len {
        len += 1;
    }
    out.extend_from_slice(len.to_string().as_bytes());
    out.push(b' ');
    for part in key {
        out.extend_from_slice(part);
    }
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn decimal_len(number: usize) -> usize {
    number.to_string().len()
}

/// Splits the body of an extended header into (key, value) pairs, in order.
pub(super) fn records(
    mut body: &[u8],
) -> impl Iterator<Item = Result<(&[u8], &[u8]), TarErrorKind>> {
    std::iter::from_fn(move || {
        if body.is_empty() {
            return None;
        }
        let record = take_record(&mut body);
        if record.is_err() {
            body = &[];
        }
        Some(record)
    })
}

fn take_record<'a>(body: &mut &'a [u8]) -> Result<(&'a [u8], &'a [u8]), TarErrorKind> {
    let malformed = TarErrorKind::Pax;
    let space = body.iter().take(21).position(|byte| *byte == b' ');
    let space = space.ok_or(malformed("a record has no length"))?;
    let len = parse_decimal(&body[..space]).ok_or(malformed("a length is not a number"))?;
    let len = usize::try_from(len).ok();
    let (record, rest) = len
        .filter(|len| *len > space + 1)
        .and_then(|len| body.split_at_checked(len))
        .ok_or(malformed("a length is out of range"))?;
    let line = record[space + 1..]
        .strip_suffix(b"\n")
        .ok_or(malformed("a record does not end with a newline"))?;
    let equals = line.iter().position(|byte| *byte == b'=');
    let equals = equals.ok_or(malformed("a record has no `=`"))?;
    if equals == 0 {
        return Err(malformed("a record has an empty key"));
    }
    *body = rest;
    Ok((&line[..equals], &line[equals + 1..]))
}

/// A decimal number without sign.
pub(super) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// A time: `-?SECONDS(.FRACTION)?`. Digits below a nanosecond are dropped.
pub(super) fn parse_time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let dot = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match dot {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    let seconds = i64::try_from(parse_decimal(whole)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanos = 0_u32;
    for place in 0..9 {
        let digit = fraction.get(place).map_or(0, |digit| digit - b'0');
        nanos = nanos * 10 + u32::from(digit);
    }
    Some(match (negative, nanos) {
        (false, nanos) => Time { seconds, nanos },
        (true, 0) => Time::from_seconds(-seconds),
        // A Time counts its fraction upward: -1.25 is -2 s and 0.75 s.
        (true, nanos) => Time {
            seconds: -seconds - 1,
            nanos: 1_000_000_000 - nanos,
        },
    })
}

/// Writes a time as [`parse_time`] reads it, without trailing zeros.
pub(super) fn format_time(time: Time) -> String {
    if time.nanos == 0 {
        return time.seconds.to_string();
    }
    let (sign, seconds, nanos) = if time.seconds < 0 {
        ("-", -(time.seconds + 1), 1_000_000_000 - time.nanos)
    } else {
        ("", time.seconds, time.nanos)
    };
    let text = format!("{sign}{seconds}.{nanos:09}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Record<'a> = (&'a [u8], &'a [u8]);

    fn parse(body: &[u8]) -> Result<Vec<Record<'_>>, TarErrorKind> {
        records(body).collect()
    }

    #[test]
    fn the_length_counts_itself() {
        // 9 + 1 digit would be 10, which has two digits: 11.
        for (key, value, expected) in [
            (&b"k"[..], &b"v"[..], &b"6 k=v\n"[..]),
            (b"path", b"ab", b"11 path=ab\n"),
            (b"path", b"abc", b"12 path=abc\n"),
            (b"key", b"val", b"11 key=val\n"),
        ] {
            let mut out = Vec::new();
            put_record(&mut out, &[key], value);
            assert_eq!(out, expected, "{}", out.escape_ascii());
            assert_eq!(parse(&out).unwrap(), [(key, value)]);
        }
    }

    #[test]
    fn lengths_round_trip_around_powers_of_ten() {
        for len in (0..1200).chain(9_980..10_010) {
            let value = vec![b'\n'; len];
            let mut out = Vec::new();
            put_record(&mut out, &[b"a", b"b"], &value);
            assert_eq!(parse(&out).unwrap(), [(&b"ab"[..], &value[..])], "{len}");
        }
    }

    #[test]
    fn broken_records_are_refused() {
        for body in [
            &b"6 k=v"[..],
            b"6 k=v\n7",
            b"99999999999999999999999 k=v\n",
            b"99 k=v\n",
            b"2 k=v\n",
            b"0 k=v\n",
            b"x k=v\n",
            b"6 kvv\n",
            b"5 =v\n",
            b"6 k=vv\n",
        ] {
            assert!(parse(body).is_err(), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn times_round_trip() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("-1", -1, 0),
            ("1.5", 1, 500_000_000),
            ("-1.25", -2, 750_000_000),
            ("-0.000000001", -1, 999_999_999),
            ("1700000000.123456789", 1_700_000_000, 123_456_789),
        ] {
            let time = Time { seconds, nanos };
            assert_eq!(parse_time(text.as_bytes()), Some(time), "{text}");
            assert_eq!(format_time(time), text);
        }
        assert_eq!(
            parse_time(b"1.1234567899"),
            Some(Time {
                seconds: 1,
                nanos: 123_456_789
            })
        );
        for text in ["", "-", ".5", "1.x", "--1", "1e3", "99999999999999999999"] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }
}
