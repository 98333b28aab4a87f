//! Image references: `[registry/]repository[:tag][@digest]`.
//!
//! Source: the grammar of the `distribution/reference` package and the distribution specification 1.1,
//! "Pulling manifests"; Docker's defaults (`docker.io`, `library/`, `latest`).

use std::fmt;
use std::str::FromStr;

use crate::{Digest, InvalidDigest};

/// Where an image is, by registry, repository, and tag or digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is not a reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidReference {
    /// A part breaks the grammar.
    #[error("invalid image reference `{text}`: {reason}")]
    Grammar {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What follows `@` is no digest.
    #[error("invalid image reference `{text}`")]
    Digest {
        /// What was given.
        text: String,
        /// What is wrong with the digest.
        #[source]
        source: InvalidDigest,
    },
}

impl Reference {
    /// The registry's host, with its port where there is one: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository on that registry: `library/alpine`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` where neither tag nor digest was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// The digest, where one was given.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The short form that people type: Docker's defaults left out, the tag always shown.
    #[must_use]
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full
            .strip_prefix("docker.io/library/")
            .or(full.strip_prefix("docker.io/"));
        short.unwrap_or(&full).to_owned()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(300).collect::<String>();
        let invalid = |reason| InvalidReference::Grammar {
            text: shown(),
            reason,
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => match digest.parse() {
                Ok(digest) => (name, Some(digest)),
                Err(source) => {
                    return Err(InvalidReference::Digest {
                        text: shown(),
                        source,
                    });
                }
            },
            None => (text, None),
        };
        let (name, tag) = split_tag(name);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid(
                "a tag is up to 128 letters, digits, `_`, `.` and `-`",
            ));
        }
        let (registry, repository) = split_registry(name);
        if !is_registry(registry) {
            return Err(invalid(
                "the registry must be a host name with an optional port",
            ));
        }
        if name.is_empty() {
            return Err(invalid("the name is empty"));
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) && !is_repository(repository) {
            return Err(invalid("the repository must be lower case"));
        }
        if !is_repository(repository) {
            return Err(invalid(
                "a repository is made of lower-case letters and digits, separated by `.`, `_`, `__`, `-` and `/`",
            ));
        }
        let repository = match repository.contains('/') {
            false if registry == "docker.io" => format!("library/{repository}"),
            _ => repository.to_owned(),
        };
        if registry.len() + repository.len() > 255 {
            return Err(invalid("the name is longer than 255 characters"));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// A colon after the last slash starts a tag; before it, a port.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rfind(':') {
        Some(colon) if !name[colon..].contains('/') => (&name[..colon], Some(&name[colon + 1..])),
        _ => (name, None),
    }
}

/// The first component is a registry if it looks like a host: a dot, a port, `localhost`, or capitals.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io", rest)) => ("docker.io", rest),
        Some((host, rest))
            if host.contains(['.', ':'])
                || host == "localhost"
                || host.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (host, rest)
        }
        _ => ("docker.io", name),
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && word(tag.as_bytes()[0])
        && tag
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_registry(registry: &str) -> bool {
    if let Some(rest) = registry.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let hex = address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return hex && !address.is_empty() && (port.is_empty() || is_port(port));
    }
    let (host, port) = match registry.find(':') {
        Some(colon) => registry.split_at(colon),
        None => (registry, ""),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(label) && (port.is_empty() || is_port(port))
}

fn is_port(port: &str) -> bool {
    port.strip_prefix(':')
        .is_some_and(|digits| digits.parse::<u16>().is_ok())
}

/// `component(/component)*`, each `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_repository(repository: &str) -> bool {
    repository.split('/').all(|component| {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = component.as_bytes();
        let ends = bytes.first().zip(bytes.last());
        ends.is_some_and(|(first, last)| alphanumeric(*first) && alphanumeric(*last))
            && bytes
                .iter()
                .all(|byte| alphanumeric(*byte) || b"._-".contains(byte))
            && component
                .split(|c: char| c.is_ascii_alphanumeric())
                .all(|separator| {
                    matches!(separator, "" | "." | "_" | "__")
                        || separator.bytes().all(|b| b == b'-')
                })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_defaults_are_filled_in() {
        for (text, full) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.18", "docker.io/library/alpine:3.18"),
            ("user/app", "docker.io/user/app:latest"),
            ("index.docker.io/user/app", "docker.io/user/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("ghcr.io/a__b/c-d.e:V1", "ghcr.io/a__b/c-d.e:V1"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), full, "{text}");
        }
    }

    #[test]
    fn a_digest_needs_no_tag() {
        let digest = Digest::sha256(b"");
        let reference: Reference = format!("alpine@{digest}").parse().unwrap();
        assert_eq!((reference.tag(), reference.digest()), (None, Some(&digest)));
        let both: Reference = format!("alpine:3@{digest}").parse().unwrap();
        assert_eq!(both.familiar(), format!("alpine:3@{digest}"));
    }

    #[test]
    fn what_the_grammar_forbids_is_refused() {
        let long = "a/".repeat(200) + "a";
        for text in [
            "",
            ":",
            "@",
            "a:",
            "a@",
            "A",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a:-t",
            "a b",
            "host:port/a",
            "a@sha256:00",
            "/a",
            "a/",
            "http://a/b",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
