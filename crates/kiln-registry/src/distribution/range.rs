//! Byte ranges: which parts of a blob a `Range` header asks for (RFC 9110 section 14.1.2), and what
//! a chunk's `Content-Range` says (distribution specification, "Pushing a blob in chunks": no unit,
//! no total).

use std::ops::Range;

/// More parts than a client that downloads in pieces asks for; fewer than would cost the server.
const MAX_PARTS: usize = 64;

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: there is no header, or one of another unit, which has to be passed over.
    Whole,
    /// These bytes, none of them empty, none beyond the end; several are in the order asked for.
    Parts(Vec<Range<u64>>),
    /// Nothing that is there: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for content of `size` bytes.
///
/// A range whose end lies before its start is answered with 416, as the conformance suite of the
/// specification expects, where the RFC would allow to pass it over.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(set) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let mut parts: Vec<Range<u64>> = vec![];
    for text in set
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        match one(text, size) {
            Ok(Some(part)) => parts.push(part),
            Ok(None) => {}
            Err(Malformed) => return Wanted::Unsatisfiable,
        }
    }
    if parts.len() > MAX_PARTS {
        return Wanted::Unsatisfiable;
    }
    match merged_if_overlapping(parts) {
        parts if parts.is_empty() => Wanted::Unsatisfiable,
        parts => Wanted::Parts(parts),
    }
}

struct Malformed;

/// One range; none if it begins beyond the end.
fn one(text: &str, size: u64) -> Result<Option<Range<u64>>, Malformed> {
    let (first, last) = text.split_once('-').ok_or(Malformed)?;
    let number = |text: &str| number(text).ok_or(Malformed);
    let part = match (first, last) {
        ("", suffix) => size.saturating_sub(number(suffix)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(Malformed);
            }
            first..size.min(last.saturating_add(1))
        }
    };
    Ok(Some(part).filter(|part| part.start < part.end))
}

/// Digits only: `+5` is a number to the standard library.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // What does not fit lies beyond every end.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Parts that overlap would let a client ask for more bytes than there are; they become one.
fn merged_if_overlapping(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    if sorted.windows(2).all(|pair| pair[0].end <= pair[1].start) {
        return parts;
    }
    let mut merged: Vec<Range<u64>> = vec![];
    for part in sorted {
        match merged.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => merged.push(part),
        }
    }
    merged
}

/// The first byte and the length that a chunk's `Content-Range: FIRST-LAST` states. Some clients
/// write `bytes FIRST-LAST/TOTAL`, as HTTP has it; that is understood, too. None when malformed.
pub(crate) fn chunk(header: &str) -> Option<(u64, u64)> {
    let text = header.trim();
    let text = text.strip_prefix("bytes").map_or(text, str::trim_start);
    let text = text.strip_prefix('=').unwrap_or(text);
    let text = text.split_once('/').map_or(text, |(range, _)| range);
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    Some((first, length))
}

#[cfg(test)]
#[allow(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges are what is tested"
)]
mod tests {
    use super::*;

    fn parts(header: &str) -> Option<Vec<Range<u64>>> {
        match wanted(Some(header), 2048) {
            Wanted::Parts(parts) => Some(parts),
            Wanted::Unsatisfiable => None,
            Wanted::Whole => Some(vec![]),
        }
    }

    #[test]
    fn single_ranges() {
        for (header, range) in [
            ("bytes=500-1499", 500..1500),
            ("bytes=500-", 500..2048),
            ("bytes=-500", 1548..2048),
            ("bytes=2000-5000", 2000..2048),
            ("bytes=-5000", 0..2048),
            ("bytes=0-0", 0..1),
            ("bytes= 0-0 ,", 0..1),
            ("bytes=0-99999999999999999999999", 0..2048),
        ] {
            assert_eq!(parts(header), Some(vec![range]), "{header}");
        }
    }

    #[test]
    fn what_is_not_there_is_unsatisfiable() {
        for header in [
            "bytes=500-0",
            "bytes=5000-10000",
            "bytes=2048-",
            "bytes=-0",
            "bytes=",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=5",
            "bytes=0-1,x",
        ] {
            assert_eq!(parts(header), None, "{header}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn no_header_or_another_unit_is_the_whole() {
        assert_eq!(wanted(None, 5), Wanted::Whole);
        assert_eq!(wanted(Some("lines=1-2"), 5), Wanted::Whole);
    }

    #[test]
    fn several_ranges_keep_their_order_unless_they_overlap() {
        assert_eq!(parts("bytes=10-19, 0-4"), Some(vec![10..20, 0..5]));
        assert_eq!(parts("bytes=10-19, 9000-"), Some(vec![10..20]));
        assert_eq!(parts("bytes=5-19, 0-9, 30-"), Some(vec![0..20, 30..2048]));
        let whole = vec!["0-"; 64].join(",");
        assert_eq!(parts(&format!("bytes={whole}")), Some(vec![0..2048]));
        assert_eq!(parts(&format!("bytes={whole},0-")), None, "too many");
    }

    #[test]
    fn chunks() {
        assert_eq!(chunk("0-9"), Some((0, 10)));
        assert_eq!(chunk("bytes 10-19/100"), Some((10, 10)));
        assert_eq!(chunk("bytes=10-19"), Some((10, 10)));
        for header in [
            "",
            "-",
            "9-0",
            "a-b",
            "5",
            "-5",
            "5-",
            "0-18446744073709551615",
        ] {
            assert_eq!(chunk(header), None, "{header}");
        }
    }
}
