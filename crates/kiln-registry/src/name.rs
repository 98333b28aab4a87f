//! The names that requests carry: repositories, tags, and what a manifest is asked for by.
//!
//! Source: OCI distribution specification, "Pulling manifests": the grammars of `<name>` and
//! `<reference>`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kiln_oci::Digest;

/// The longest name of a repository in bytes. Clients count the registry's host and the slash, too;
/// how long those are the server does not know.
const MAX_NAME: usize = 255;

/// The longest tag in bytes.
const MAX_TAG: usize = 128;

/// A repository's name: lower-case path components between slashes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

/// A text that is no name of a repository or no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} `{text}`: {reason}")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    reason: &'static str,
}

impl InvalidName {
    fn new(what: &'static str, text: &str, reason: &'static str) -> Self {
        let text = text.chars().take(MAX_NAME).collect();
        Self { what, text, reason }
    }
}

impl RepositoryName {
    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The project that it belongs to: the first component.
    #[must_use]
    pub fn project(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| InvalidName::new("repository name", text, reason);
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if text.len() > MAX_NAME {
            return Err(invalid("it is longer than 255 bytes"));
        }
        match text.split('/').all(is_component) {
            true => Ok(Self(text.into())),
            false => Err(invalid(
                "components are of a-z and 0-9, parted by `.`, `_`, `__` or hyphens",
            )),
        }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_letter = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let mut rest = text.as_bytes();
    loop {
        let letters = rest.iter().take_while(|byte| is_letter(byte)).count();
        if letters == 0 {
            return false;
        }
        rest = &rest[letters..];
        if rest.is_empty() {
            return true;
        }
        let marks = rest.iter().take_while(|byte| !is_letter(byte)).count();
        let separator = &rest[..marks];
        let hyphens = separator.iter().all(|byte| *byte == b'-');
        if !hyphens && !matches!(separator, b"." | b"_" | b"__") {
            return false;
        }
        rest = &rest[marks..];
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| InvalidName::new("tag", text, reason);
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        match text.as_bytes() {
            [] => Err(invalid("it is empty")),
            bytes if bytes.len() > MAX_TAG => Err(invalid("it is longer than 128 bytes")),
            [first, rest @ ..]
                if is_word(*first)
                    && rest
                        .iter()
                        .all(|byte| is_word(*byte) || b".-".contains(byte)) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(invalid(
                "tags are of letters, digits, `_`, `.` and `-`, and begin with none of the last two",
            )),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a manifest is asked for by. In paths a digest is what has a colon, which no tag has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ManifestReference {
    /// A name that may move.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

/// A text that is neither a tag nor a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// It has a colon and is no digest.
    #[error("{0}")]
    Digest(String),
    /// It is no tag.
    #[error(transparent)]
    Tag(#[from] InvalidName),
}

impl FromStr for ManifestReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') {
            let digest = text.parse::<Digest>();
            let digest = digest.map_err(|error| InvalidReference::Digest(error.to_string()))?;
            return Ok(Self::Digest(digest));
        }
        Ok(Self::Tag(text.parse()?))
    }
}

impl fmt::Display for ManifestReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_grammar_are_taken() {
        for text in [
            "a",
            "library/alpine",
            "a.b/c_d/e__f/g-h/i--j",
            "0/1",
            "team/app/sub/part",
        ] {
            let name: RepositoryName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(name.project(), text.split('/').next().unwrap());
        }
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        for text in [
            "", "/", "a/", "/a", "a//b", "A", "a..b", "a___b", "a_.b", "-a", "a-", "a._b", "..",
            "../etc", "a/../b", "a b", "a\0", "ä", "a:b",
        ] {
            assert!(text.parse::<RepositoryName>().is_err(), "{text:?}");
        }
        assert!("a".repeat(256).parse::<RepositoryName>().is_err());
    }

    #[test]
    fn tags_follow_their_grammar() {
        for text in ["latest", "1.2.3-rc.1", "_x", "V1", &"t".repeat(128)] {
            assert_eq!(text.parse::<Tag>().unwrap().as_str(), text);
        }
        for text in ["", ".a", "-a", "a/b", "a:b", "a b", "ä", &"t".repeat(129)] {
            assert!(text.parse::<Tag>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_colon_makes_a_digest() {
        let digest = Digest::sha256(b"x");
        assert_eq!(
            digest.to_string().parse(),
            Ok(ManifestReference::Digest(digest))
        );
        assert!(matches!(
            "sha256:00".parse::<ManifestReference>(),
            Err(InvalidReference::Digest(_))
        ));
        assert!(matches!("v1".parse(), Ok(ManifestReference::Tag(_))));
    }
}
