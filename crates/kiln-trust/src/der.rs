//! DER, as far as keys, certificates and time stamps need it: a strict reader and a small writer.
//!
//! Source: ITU-T X.690, section 10 (DER). What BER allows beyond that (indefinite lengths, lengths longer than needed) is
//! refused: a document must have one form only, or two parsers read two things from it.

use crate::clock::Time;

/// Tags of the universal class that occur here.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// It ends too early, or a length is longer than what is there.
    #[error("it is cut short")]
    Truncated,
    /// There is more than there should be.
    #[error("there is something after its end")]
    Trailing,
    /// Another element than the format has here.
    #[error("there is an element of type {found:#04x} where {expected:#04x} belongs")]
    Unexpected {
        /// The tag that belongs there.
        expected: u8,
        /// The tag that is there.
        found: u8,
    },
    /// An element whose form is not the only one that DER has for it.
    #[error("it is not DER: {0}")]
    Form(&'static str),
}

/// Reads one element after the other. Cheap to copy, which is how one looks ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The content of a document that is one SEQUENCE and nothing else.
    pub(crate) fn document(bytes: &'a [u8]) -> Result<Self, DerError> {
        let mut reader = Self::new(bytes);
        let content = reader.nested(tag::SEQUENCE)?;
        reader.end()?;
        Ok(content)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// That nothing follows.
    pub(crate) fn end(&self) -> Result<(), DerError> {
        match self.rest {
            [] => Ok(()),
            _ => Err(DerError::Trailing),
        }
    }

    /// The next element's tag, if there is one.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element: its tag, its content, and all of its bytes.
    pub(crate) fn any(&mut self) -> Result<(u8, &'a [u8], &'a [u8]), DerError> {
        let whole = self.rest;
        let [tag, first, rest @ ..] = whole else {
            return Err(DerError::Truncated);
        };
        if tag & 0x1f == 0x1f {
            return Err(DerError::Form("a tag of several bytes"));
        }
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            0x81..=0x84 => long_length(usize::from(first & 0x7f), rest)?,
            _ => return Err(DerError::Form("an indefinite or absurd length")),
        };
        let content = rest.get(..length).ok_or(DerError::Truncated)?;
        self.rest = &rest[length..];
        let used = whole.len() - self.rest.len();
        Ok((*tag, content, &whole[..used]))
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn take(&mut self, expected: u8) -> Result<&'a [u8], DerError> {
        let mut ahead = *self;
        let (found, content, _) = ahead.any()?;
        if found != expected {
            return Err(DerError::Unexpected { expected, found });
        }
        *self = ahead;
        Ok(content)
    }

    /// The next element as it stands, tag and length included.
    pub(crate) fn whole(&mut self, expected: u8) -> Result<&'a [u8], DerError> {
        let mut ahead = *self;
        let (found, _, whole) = ahead.any()?;
        if found != expected {
            return Err(DerError::Unexpected { expected, found });
        }
        *self = ahead;
        Ok(whole)
    }

    /// What is inside of the next element.
    pub(crate) fn nested(&mut self, expected: u8) -> Result<Self, DerError> {
        self.take(expected).map(Self::new)
    }

    /// The content of the next element if it has this tag.
    pub(crate) fn optional(&mut self, wanted: u8) -> Result<Option<&'a [u8]>, DerError> {
        match self.peek() {
            Some(found) if found == wanted => self.take(wanted).map(Some),
            _ => Ok(None),
        }
    }

    /// An INTEGER that is not negative: its bytes without a leading zero.
    pub(crate) fn unsigned(&mut self) -> Result<&'a [u8], DerError> {
        match self.take(tag::INTEGER)? {
            [] => Err(DerError::Form("an integer without bytes")),
            [0] => Ok(&[]),
            [0, second, ..] if *second < 0x80 => {
                Err(DerError::Form("an integer with a needless zero"))
            }
            [0, rest @ ..] => Ok(rest),
            [first, ..] if *first >= 0x80 => Err(DerError::Form("a negative integer")),
            rest => Ok(rest),
        }
    }

    /// A small INTEGER, as versions are.
    pub(crate) fn small(&mut self) -> Result<u64, DerError> {
        let bytes = self.unsigned()?;
        if bytes.len() > 8 {
            return Err(DerError::Form("a number that is too large"));
        }
        Ok(bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A BOOLEAN.
    pub(crate) fn boolean(&mut self) -> Result<bool, DerError> {
        match self.take(tag::BOOLEAN)? {
            [0] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(DerError::Form("a boolean that is neither true nor false")),
        }
    }

    /// A BIT STRING of whole bytes.
    pub(crate) fn bits(&mut self) -> Result<&'a [u8], DerError> {
        match self.take(tag::BIT_STRING)? {
            [0, bits @ ..] => Ok(bits),
            _ => Err(DerError::Form("a bit string of parts of bytes")),
        }
    }

    /// A `UTCTime` or `GeneralizedTime` in UTC.
    ///
    /// Source: RFC 5280 section 4.1.2.5: seconds are there, two digits of a year below 50 are in this century.
    /// Fractions of a second, which time stamps may have (RFC 3161 section 2.4.2), are dropped.
    pub(crate) fn time(&mut self) -> Result<Time, DerError> {
        let (tag, content, _) = self.any()?;
        let text = std::str::from_utf8(content)
            .ok()
            .filter(|text| text.is_ascii());
        let text = text.and_then(|text| text.strip_suffix('Z'));
        let text = text.ok_or(DerError::Form("a time that is not UTC"))?;
        let (century, text) = match tag {
            tag::UTC_TIME => (if text < "50" { "20" } else { "19" }, text),
            tag::GENERALIZED_TIME => ("", text.split_once('.').map_or(text, |(whole, _)| whole)),
            found => {
                return Err(DerError::Unexpected {
                    expected: tag::GENERALIZED_TIME,
                    found,
                });
            }
        };
        Time::from_digits(&format!("{century}{text}"))
            .ok_or(DerError::Form("a time that does not exist"))
    }
}

fn long_length(bytes: usize, rest: &[u8]) -> Result<(usize, &[u8]), DerError> {
    let digits = rest.get(..bytes).ok_or(DerError::Truncated)?;
    let length = digits
        .iter()
        .fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    if digits[0] == 0 || length < 0x80 {
        return Err(DerError::Form("a length that is longer than needed"));
    }
    Ok((length, &rest[bytes..]))
}

/// An element of `content`.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=0x7f => out.push(u8::try_from(short).expect("because it is below 128")),
        long => {
            let bytes = long.to_be_bytes();
            let digits = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(0)..];
            out.push(
                0x80 | u8::try_from(digits.len()).expect("because a length has at most 8 bytes"),
            );
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

/// A SEQUENCE of elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, &parts.concat())
}

/// An INTEGER that is not negative, from its big-endian bytes.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let significant = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let bytes = &bytes[significant..];
    let mut content = vec![];
    if bytes.first().is_none_or(|byte| *byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(bytes);
    element(tag::INTEGER, &content)
}

/// A BIT STRING of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(tag::BIT_STRING, &[&[0], bytes].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; size];
            let whole = element(tag::OCTET_STRING, &content);
            let mut reader = Reader::new(&whole);
            assert_eq!(reader.take(tag::OCTET_STRING), Ok(&content[..]));
            assert!(reader.is_empty());
        }
        for bytes in [&[][..], &[0], &[1], &[0x80], &[0, 0, 5, 6]] {
            let written = unsigned(bytes);
            let significant: Vec<u8> = bytes
                .iter()
                .copied()
                .skip_while(|byte| *byte == 0)
                .collect();
            assert_eq!(Reader::new(&written).unsigned(), Ok(&significant[..]));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for (bytes, why) in [
            (&[0x30][..], "no length"),
            (&[0x30, 2, 0], "cut"),
            (&[0x30, 0x80, 0, 0], "indefinite"),
            (&[0x30, 0x81, 1, 0], "a long form of a short length"),
            (&[0x30, 0x82, 0, 0x80], "a leading zero"),
            (&[0x30, 0x85, 1, 0, 0, 0, 0], "five bytes of length"),
            (&[0x1f, 1, 0], "a long tag"),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], "4 GB"),
        ] {
            assert!(Reader::new(bytes).any().is_err(), "{why}");
        }
        assert!(Reader::new(&[2, 2, 0, 1]).unsigned().is_err());
        assert!(Reader::new(&[2, 1, 0x80]).unsigned().is_err());
        assert!(Reader::document(&[0x30, 0, 0]).is_err());
    }

    #[test]
    fn times_of_both_forms() {
        let utc = element(tag::UTC_TIME, b"261124062807Z");
        let long = element(tag::GENERALIZED_TIME, b"20261124062807.5Z");
        let (utc, long) = (
            Reader::new(&utc).time().unwrap(),
            Reader::new(&long).time().unwrap(),
        );
        assert_eq!(utc, long);
        assert_eq!(utc.to_string(), "2026-11-24T06:28:07Z");
        for text in ["2611240628Z", "261324062807Z", "261124062807+0100"] {
            assert!(
                Reader::new(&element(tag::UTC_TIME, text.as_bytes()))
                    .time()
                    .is_err(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.any().is_ok() {}
            let _ = Reader::new(&bytes).time();
            let _ = Reader::new(&bytes).unsigned();
        }
    }
}
