//! The signed heart of a repository: which indexes there are, and their digests.
//!
//! Source: "DebianRepository/Format" section "Release files". Of the hashes only SHA-256 is read: the
//! older ones no longer protect anything, and every repository has it.

use std::collections::BTreeMap;

use super::date::parse_date;
use super::index::{is_inside, is_sha256};
use super::stanza::{Stanza, StanzaError};

/// A `Release` file, or the text of an `InRelease`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// `stable`, `bookworm-security` …
    pub suite: Option<String>,
    /// `bookworm` …
    pub codename: Option<String>,
    /// `Debian`, `Ubuntu` …
    pub origin: Option<String>,
    /// The release's number, where it has one.
    pub version: Option<String>,
    /// When it was made, in seconds since 1970.
    pub date: i64,
    /// Until when it may be used, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// Whether files can be had under their digest, too.
    pub by_hash: bool,
    /// The components.
    pub components: Vec<String>,
    /// The architectures.
    pub architectures: Vec<String>,
    /// Whether packages for all architectures have an index of their own and are not in the others.
    pub separate_all: bool,
    /// The files, by their path from the directory of the release file.
    pub files: BTreeMap<String, IndexFile>,
}

/// A file that a release names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

/// Text that is no release file.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRelease {
    /// It is not made of fields.
    #[error("not a release file")]
    Stanza(#[from] StanzaError),
    /// A field that is needed is not there.
    #[error("the release file has no field `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A date is none.
    #[error("the field `{field}` of the release file is no date in UTC: `{value}`")]
    Date {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A line of the list of files makes no sense, or its path leads elsewhere.
    #[error("the release file lists `{line}`, which is no digest, size and path")]
    File {
        /// The line, cut if it is long.
        line: String,
    },
}

impl Release {
    /// Reads a release file; of an `InRelease`, the text without its signature.
    ///
    /// # Errors
    /// When it is not one, or lacks what is needed to trust an index.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidRelease> {
        let stanza = Stanza::parse(text)?;
        let words = |field| {
            let value = stanza.get(field).unwrap_or_default();
            value.split_whitespace().map(str::to_owned).collect()
        };
        let date = date(&stanza, "Date")?.ok_or(InvalidRelease::Missing { field: "Date" })?;
        let list = stanza.get("SHA256");
        let list = list.ok_or(InvalidRelease::Missing { field: "SHA256" })?;
        let owned = |field| stanza.get(field).map(str::to_owned);
        let architectures: Vec<String> = words("Architectures");
        let in_others = stanza.get("No-Support-for-Architecture-all");
        Ok(Self {
            suite: owned("Suite"),
            codename: owned("Codename"),
            origin: owned("Origin"),
            version: owned("Version"),
            date,
            valid_until: self::date(&stanza, "Valid-Until")?,
            by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            components: words("Components"),
            separate_all: architectures.iter().any(|name| name == "all")
                && in_others != Some("Packages"),
            architectures,
            files: list
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(file)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn date(stanza: &Stanza, field: &'static str) -> Result<Option<i64>, InvalidRelease> {
    let Some(value) = stanza.get(field) else {
        return Ok(None);
    };
    let parsed = parse_date(value).ok_or_else(|| InvalidRelease::Date {
        field,
        value: value.chars().take(80).collect(),
    })?;
    Ok(Some(parsed))
}

fn file(line: &str) -> Result<(String, IndexFile), InvalidRelease> {
    let read = || {
        let mut words = line.split_whitespace();
        let sha256 = words.next()?.to_ascii_lowercase();
        let size = words.next()?.parse().ok()?;
        let path = words.next()?;
        let is_good = is_sha256(&sha256) && is_inside(path) && words.next().is_none();
        is_good.then(|| (path.to_owned(), IndexFile { sha256, size }))
    };
    read().ok_or_else(|| InvalidRelease::File {
        line: line.trim().chars().take(200).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(more: &str, path: &str) -> String {
        let hash = "0".repeat(64);
        format!(
            "Origin: Debian\nSuite: stable\nCodename: bookworm\nDate: Sat, 09 Dec 2023 10:38:41 UTC\n{more}\
             Acquire-By-Hash: yes\nArchitectures: all amd64\nComponents: main contrib\n\
             MD5Sum:\n 00 1 x\nSHA256:\n {hash} 123 {path}\n {hash}   4 main/Contents-amd64.gz\n"
        )
    }

    #[test]
    fn a_release_is_read() {
        let path = "main/binary-amd64/Packages.xz";
        let more = "Valid-Until: Sat, 16 Dec 2023 10:38:41 UTC\n";
        let release = Release::parse(text(more, path).as_bytes()).unwrap();
        assert_eq!(release.date, 1_702_118_321);
        assert_eq!(release.valid_until, Some(1_702_118_321 + 7 * 86_400));
        assert!(release.by_hash && release.separate_all);
        let merged = text("No-Support-for-Architecture-all: Packages\n", path);
        assert!(!Release::parse(merged.as_bytes()).unwrap().separate_all);
        assert_eq!(release.components, ["main", "contrib"]);
        assert_eq!(release.files.len(), 2);
        assert_eq!(release.files[path].size, 123);
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        for path in ["../../x", "/x", "a//b", "a/../b", "x y", ""] {
            let error = Release::parse(text("", path).as_bytes()).unwrap_err();
            assert!(
                matches!(error, InvalidRelease::File { .. }),
                "{path}: {error}"
            );
        }
        let error = Release::parse(text("Valid-Until: never\n", "x").as_bytes()).unwrap_err();
        assert!(matches!(
            error,
            InvalidRelease::Date {
                field: "Valid-Until",
                ..
            }
        ));
        let undated = text("", "x").replace("Date:", "Day:");
        let error = Release::parse(undated.as_bytes()).unwrap_err();
        assert!(matches!(error, InvalidRelease::Missing { field: "Date" }));
        let unhashed = text("", "x").replace("SHA256:", "SHA1:");
        let error = Release::parse(unhashed.as_bytes()).unwrap_err();
        assert!(matches!(error, InvalidRelease::Missing { field: "SHA256" }));
        assert!(Release::parse(b"<html>").is_err());
    }
}
