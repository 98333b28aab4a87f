//! The configuration files: the person's own, and the store's, which has the last word.
//!
//! ```toml
//! [store]
//! keep = "10GB"   # what the store may take on disk
//!
//! [assemble]        # where presets take packages from
//! mirror = "http://mirror.example.com/debian"
//! suite = "stable"
//! keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
//! ```
//!
//! A key that kiln does not know is an error: a setting that silently does nothing is worse.

use std::path::Path;
use std::{fmt, io};

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::environment::Environment;
use crate::ui::{report::Report, size::Size};

/// What a person can set.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configuration {
    /// About the store.
    pub(crate) store: StoreSection,
    /// About images from packages.
    pub(crate) assemble: AssembleSection,
}

/// The table `[assemble]`: where presets take packages from.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AssembleSection {
    /// The address of a Debian mirror.
    pub(crate) mirror: Option<String>,
    /// The release.
    pub(crate) suite: Option<String>,
    /// The file with the mirror's keys.
    pub(crate) keyring: Option<String>,
}

/// The table `[store]`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreSection {
    /// What the store may take on disk, in blocks, images included.
    #[serde(deserialize_with = "size")]
    pub(crate) keep: Option<Size>,
}

impl Configuration {
    /// Reads the files that there are.
    ///
    /// # Errors
    /// With file and line, if one of them cannot be read or says what kiln does not understand.
    pub(crate) fn read(environment: &Environment) -> Result<Self, Report> {
        let mut all = Self::default();
        for path in &environment.configuration_files {
            let text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if is_missing(&error) => continue,
                Err(error) => {
                    return Err(Report::new(format!(
                        "cannot read `{}`: {error}",
                        path.display()
                    )));
                }
            };
            let file = Self::parse(&text, path)?;
            all.store.keep = file.store.keep.or(all.store.keep);
            let (new, old) = (file.assemble, &mut all.assemble);
            let pairs = [
                (new.mirror, &mut old.mirror),
                (new.suite, &mut old.suite),
                (new.keyring, &mut old.keyring),
            ];
            for (new, old) in pairs {
                *old = new.or_else(|| old.take());
            }
        }
        Ok(all)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Report> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
            let shown = text.lines().nth(line - 1).unwrap_or_default().trim();
            let message = error.message().trim();
            Report::new(format!("{}:{line}: {message}", path.display()))
                .hint(format!("the line reads: {shown}"))
        })
    }
}

/// A file that is not there, or whose directory is not one that this person may look into.
fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// A size as text, `"10GB"`, or as a number of bytes.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Size>, D::Error> {
    struct Sizes;
    impl Visitor<'_> for Sizes {
        type Value = Size;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size such as \"10GB\"")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Size, E> {
            let bytes = u64::try_from(number);
            bytes
                .map(Size)
                .map_err(|_| E::custom(format!("`{number}` is not a size")))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Sizes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(text: &str) -> Option<Size> {
        let parsed = Configuration::parse(text, Path::new("config.toml"));
        parsed.unwrap().store.keep
    }

    #[test]
    fn sizes_are_texts_or_numbers() {
        assert_eq!(keep(""), None);
        assert_eq!(keep("[store]\n"), None);
        assert_eq!(
            keep("[store]\nkeep = \"10GB\"\n"),
            Some(Size(10_000_000_000))
        );
        assert_eq!(keep("[store]\nkeep = 4096\n"), Some(Size(4096)));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, words) in [
            ("\n[store]\nkeep = \"lots\"\n", 3, "`lots` is not a size"),
            ("[store]\nkeep = -1\n", 2, "`-1` is not a size"),
            ("[store]\n\nkep = 1\n", 3, "unknown field `kep`"),
            ("# ok\n[stor]\n", 2, "unknown field `stor`"),
            ("[store\n", 1, "]"),
            ("store = 1\n", 1, "store"),
        ] {
            let report = Configuration::parse(text, Path::new("/etc/config.toml"));
            let shown = format!("{:?}", report.unwrap_err());
            assert!(shown.contains(&format!("config.toml:{line}:")), "{shown}");
            assert!(shown.contains(words), "{shown}");
        }
    }
}
