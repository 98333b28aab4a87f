//! Versions and their order.
//!
//! Source: Debian Policy 5.6.12 and `deb-version(7)`: `[epoch:]upstream[-revision]`. As dpkg does, a
//! version that begins with a letter is read although Policy says that it should not.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most bytes of a version: far above what exists, small enough to be shown.
const MAX_LENGTH: usize = 512;

/// A version. Two that are written differently can be equal: `1.0` and `1.00`.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    epoch: u32,
    /// Where the upstream version begins and ends in `text`.
    upstream: (usize, usize),
}

/// A text that is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a Debian version: {reason}")]
pub struct InvalidVersion {
    /// The text, cut if it is long.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Version {
    /// The epoch, 0 where none is written.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The part between epoch and revision.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.text[self.upstream.0..self.upstream.1]
    }

    /// The part behind the last hyphen; empty where there is none.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.text.get(self.upstream.1 + 1..).unwrap_or_default()
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = |reason| InvalidVersion {
            text: text.chars().take(80).collect(),
            reason,
        };
        if text.len() > MAX_LENGTH {
            return Err(invalid("it is too long"));
        }
        let (epoch, start) = match text.find(':') {
            Some(colon) => {
                let digits = &text[..colon];
                let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
                // dpkg keeps epochs in a C int.
                let epoch: i32 = Some(digits)
                    .filter(|digits| only_digits && !digits.is_empty())
                    .and_then(|digits| digits.parse().ok())
                    .ok_or_else(|| invalid("the epoch is not a number"))?;
                (epoch.unsigned_abs(), colon + 1)
            }
            None => (0, 0),
        };
        let end = text[start..].rfind('-').map_or(text.len(), |at| start + at);
        if start == end {
            return Err(invalid("it has no upstream part"));
        }
        if end + 1 == text.len() {
            return Err(invalid("nothing follows the last hyphen"));
        }
        let is_good = |byte: u8, more: &[u8]| byte.is_ascii_alphanumeric() || more.contains(&byte);
        if !text[start..end].bytes().all(|byte| is_good(byte, b".+-~:")) {
            return Err(invalid("a character cannot stand in a version"));
        }
        let revision = text.get(end + 1..).unwrap_or_default();
        if !revision.bytes().all(|byte| is_good(byte, b".+~")) {
            return Err(invalid("a character cannot stand in a revision"));
        }
        Ok(Self {
            text: text.to_owned(),
            epoch,
            upstream: (start, end),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(self.upstream().as_bytes(), other.upstream().as_bytes()))
            .then_with(|| compare(self.revision().as_bytes(), other.revision().as_bytes()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// Compares by turns what is no digit, then what is, until one differs.
fn compare(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (letters, numbers) = (split(&mut left, false), split(&mut right, false));
        let order = compare_text(letters, numbers);
        if order.is_ne() {
            return order;
        }
        let order = compare_numbers(split(&mut left, true), split(&mut right, true));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes the digits, or all up to the next digit, off the front of `text`.
fn split<'a>(text: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let is_other = |byte: &u8| byte.is_ascii_digit() != digits;
    let at = text.iter().position(is_other).unwrap_or(text.len());
    let (front, rest) = text.split_at(at);
    *text = rest;
    front
}

/// The tilde comes before the end, the end before letters, letters before all else.
fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    for at in 0..left.len().max(right.len()) {
        let order = weight(left.get(at)).cmp(&weight(right.get(at)));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Numbers of any length; no digits count as zero.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().take_while(|digit| **digit == b'0').count();
    let (left, right) = (&left[significant(left)..], &right[significant(right)..]);
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn parts_are_found() {
        let all = version("2:1.0-rc1+dfsg-3.1");
        assert_eq!(all.epoch(), 2);
        assert_eq!((all.upstream(), all.revision()), ("1.0-rc1+dfsg", "3.1"));
        let native = version("12.4+deb12u5");
        assert_eq!((native.upstream(), native.revision()), ("12.4+deb12u5", ""));
        assert_eq!(version("0:1:2-3").upstream(), "1:2");
    }

    #[test]
    fn the_order_is_debians() {
        let sorted = [
            "1.0~~",
            "1.0~~a",
            "1.0~",
            "1.0~rc1",
            "1.0",
            "1.0a",
            "1.0+b1",
            "1.0.1",
            "1.1",
            "1.9",
            "1.10",
            "1.10-0.1",
            "1.10-1",
            "1.10-1+b1",
            "1.10-1+deb12u1",
            "1:0.1",
        ];
        for (at, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                let order = version(left).cmp(&version(right));
                assert_eq!(order, at.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn different_texts_can_be_equal() {
        for (left, right) in [("1.0", "1.00"), ("0:1", "1"), ("1-0", "1"), ("1.", "1.0")] {
            assert_eq!(version(left), version(right), "{left} {right}");
        }
        let big = "9".repeat(100);
        assert!(version(&format!("1{big}")) > version(&big));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            ":",
            "1:",
            "a:1",
            "-1:1",
            "1-",
            "-1",
            "1 0",
            "1_0",
            "1-a:b",
            "\u{e4}",
            "99999999999:1",
            "1/2",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert!("1".repeat(513).parse::<Version>().is_err());
    }
}
