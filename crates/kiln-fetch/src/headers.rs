//! Header fields, in the order in which they came.

use ureq::http::HeaderMap;

/// The header fields of an answer. Names are lower case (RFC 9110 section 5.1: they are compared
/// without regard to case).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(String, String)>,
}

impl Headers {
    pub(crate) fn from_map(map: &HeaderMap) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let fields = map
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
            .collect();
        Self { fields }
    }

    /// The first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every field of that name.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let same = move |(field, _): &&(String, String)| field.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(same)
            .map(|(_, value)| value.as_str())
    }

    /// All (name, value) pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `Content-Length`, if it is a number.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.get("content-length")?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_case() {
        let mut map = HeaderMap::new();
        map.append("Link", "a".parse().expect("a value"));
        map.append("link", "b".parse().expect("a value"));
        map.append("Content-Length", "12".parse().expect("a value"));
        let headers = Headers::from_map(&map);
        assert_eq!(headers.get("LINK"), Some("a"));
        assert_eq!(headers.all("Link").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(headers.content_length(), Some(12));
        assert_eq!(headers.get("etag"), None);
        assert_eq!(headers.iter().count(), 3);
    }
}
