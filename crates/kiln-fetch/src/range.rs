//! The answer to a range request.

/// A `Content-Range` field: `bytes 0-9/100`, `bytes 0-9/*` or `bytes */100` (RFC 9110 section
/// 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// First and last byte, both counted; `None` when the range could not be satisfied.
    pub part: Option<(u64, u64)>,
    /// Length of the whole, if the server knows it.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the field. What contradicts itself is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (part, total) = rest.trim().split_once('/')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let total = if total == "*" {
            None
        } else {
            Some(total.parse().ok()?)
        };
        let part = if part == "*" {
            None
        } else {
            let (first, last) = part.split_once('-')?;
            Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?))
        };
        let coherent = match (part, total) {
            (Some((first, last)), total) => {
                first <= last && total.is_none_or(|total: u64| last < total)
            }
            (None, total) => total.is_some(),
        };
        coherent.then_some(Self { part, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let read = ContentRange::parse;
        let whole = ContentRange {
            part: Some((5, 9)),
            total: Some(10),
        };
        assert_eq!(read("bytes 5-9/10"), Some(whole));
        assert_eq!(
            read("Bytes 5-9/*"),
            Some(ContentRange {
                total: None,
                ..whole
            })
        );
        assert_eq!(
            read("bytes */10"),
            Some(ContentRange {
                part: None,
                total: Some(10)
            })
        );
        for bad in [
            "",
            "bytes",
            "bytes 5-9",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes */*",
            "items 0-1/2",
            "bytes -1/2",
            "bytes 0-99999999999999999999/*",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
