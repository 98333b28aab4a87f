//! Percent-encoding in paths and queries (RFC 3986 section 2.1).
//!
//! A `+` stays a `+`: none of the parameters of the distribution specification can hold a blank,
//! and clients send media types such as `application/x+json` unencoded.

use std::borrow::Cow;

/// The parameters of a request, in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn new(text: Option<&'a str>) -> Self {
        Self(text.unwrap_or(""))
    }

    /// The first value of `key`; an empty one counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<Cow<'a, str>> {
        self.all(key).next()
    }

    /// Every value of `key` that is not empty.
    pub(crate) fn all<'k>(&self, key: &'k str) -> impl Iterator<Item = Cow<'a, str>> + use<'a, 'k> {
        self.0.split('&').filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = name == key || decode(name).is_some_and(|name| name == key);
            let value = known.then(|| decode(value))??;
            (!value.is_empty()).then_some(value)
        })
    }
}

/// Decodes `%XX`; none when what comes out is no UTF-8 or an escape is broken.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let [high, low, tail @ ..] = tail else {
                return None;
            };
            bytes.push(nibble(*high)? << 4 | nibble(*low)?);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn nibble(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Encodes whatever is not unreserved, for a value in a query.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found() {
        let query = Query::new(Some("tag=a&digest=sha256%3Aab&n=&tag=b%2Bc&%74ag=d&from"));
        assert_eq!(query.get("digest").unwrap(), "sha256:ab");
        assert_eq!(query.get("n"), None);
        assert_eq!(query.get("from"), None);
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b+c", "d"]);
        assert_eq!(Query::new(None).get("tag"), None);
    }

    #[test]
    fn broken_escapes_count_as_absent() {
        for text in ["a=%", "a=%2", "a=%zz", "a=%ff"] {
            assert_eq!(Query::new(Some(text)).get("a"), None, "{text}");
        }
    }

    #[test]
    fn encoding_round_trips() {
        for text in ["plain", "application/vnd.x+json", "a b&c=d%", "ü"] {
            assert_eq!(decode(&encode(text)).unwrap(), text);
        }
    }
}
