//! `image.lock`: exactly which packages an image is made of.
//!
//! TOML, so that a change of it reads well in a review. Written with the same bytes for the same
//! content: releases in the order of `image.toml`, packages by architecture and name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use kiln_oci::Digest;
use kiln_packages::deb::{Version, is_package_name};
use serde::Deserialize;

use crate::spec::Architecture;

/// The version of the format.
const VERSION: u32 = 1;

/// A lock file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// What was asked for: [`Spec::request`](crate::Spec::request).
    pub request: Digest,
    /// The time of the newest release, in seconds since 1970: that of all that is made.
    pub epoch: i64,
    /// The releases that were asked.
    #[serde(default, rename = "release")]
    pub releases: Vec<LockedRelease>,
    /// The packages.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
}

/// A release as it was.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRelease {
    /// The repository.
    pub url: String,
    /// The suite.
    pub suite: String,
    /// When the release was made, in seconds since 1970.
    pub date: i64,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// The image's architecture, also for packages for all.
    pub architecture: String,
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The source package that it was built from.
    pub source: String,
    /// Where its archive is.
    pub url: String,
    /// The archive's length in bytes.
    pub size: u64,
    /// The archive's SHA-256.
    pub sha256: String,
}

/// A text that is no lock file.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLock {
    /// It is not TOML, or has other fields.
    #[error("line {line}: {message}")]
    Format {
        /// The line, counted from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// It was written by another version of kiln.
    #[error("a lock file of version {found}; this kiln writes and reads {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// An entry was changed by hand into what cannot be.
    #[error("the entry of `{package}` has the unusable {field} `{value}`")]
    Package {
        /// The package.
        package: String,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

/// A difference between two locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A package came.
    Added(LockedPackage),
    /// A package went.
    Removed(LockedPackage),
    /// A package has another version.
    Version {
        /// Before.
        from: LockedPackage,
        /// After.
        to: LockedPackage,
    },
    /// The same version has other content.
    Content(LockedPackage),
}

impl Lock {
    /// A lock file of this version.
    #[must_use]
    pub fn new(
        request: Digest,
        releases: Vec<LockedRelease>,
        packages: Vec<LockedPackage>,
    ) -> Self {
        Self {
            version: VERSION,
            request,
            epoch: releases
                .iter()
                .map(|release| release.date)
                .max()
                .unwrap_or(DEFAULT_EPOCH),
            releases,
            packages,
        }
    }

    /// The packages for an architecture.
    pub fn of(&self, architecture: Architecture) -> impl Iterator<Item = &LockedPackage> {
        let name = architecture.debian();
        self.packages
            .iter()
            .filter(move |package| package.architecture == name)
    }
}

/// 1980-01-01: the time of an image without packages.
const DEFAULT_EPOCH: i64 = 315_532_800;

impl FromStr for Lock {
    type Err = InvalidLock;

    fn from_str(text: &str) -> Result<Self, InvalidLock> {
        let lock: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            InvalidLock::Format {
                line: before.map_or(0, |before| before.matches('\n').count()) + 1,
                message: error.message().trim().to_owned(),
            }
        })?;
        if lock.version != VERSION {
            return Err(InvalidLock::Version {
                found: lock.version,
            });
        }
        lock.packages.iter().try_for_each(check)?;
        Ok(lock)
    }
}

fn check(package: &LockedPackage) -> Result<(), InvalidLock> {
    let wrong = |field, value: &str| InvalidLock::Package {
        package: package.name.clone(),
        field,
        value: value.to_owned(),
    };
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !is_package_name(&package.name) {
        return Err(wrong("name", &package.name));
    }
    if !is_package_name(&package.source) {
        return Err(wrong("source", &package.source));
    }
    if package.version.parse::<Version>().is_err() {
        return Err(wrong("version", &package.version));
    }
    if package.architecture.parse::<Architecture>().is_err() {
        return Err(wrong("architecture", &package.architecture));
    }
    if package.sha256.len() != 64 || !package.sha256.bytes().all(is_hex) {
        return Err(wrong("sha256", &package.sha256));
    }
    Ok(())
}

impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("# Written by `kiln assemble lock`. Keep it beside image.toml, under version control.\n")?;
        writeln!(f, "version = {}", self.version)?;
        writeln!(f, "request = {}", quoted(&self.request.to_string()))?;
        writeln!(f, "epoch = {}", self.epoch)?;
        for release in &self.releases {
            f.write_str("\n[[release]]\n")?;
            writeln!(f, "url = {}", quoted(&release.url))?;
            writeln!(f, "suite = {}", quoted(&release.suite))?;
            writeln!(f, "date = {}", release.date)?;
        }
        for package in &self.packages {
            f.write_str("\n[[package]]\n")?;
            let texts = [
                ("architecture", &package.architecture),
                ("name", &package.name),
                ("version", &package.version),
                ("source", &package.source),
                ("url", &package.url),
            ];
            for (key, value) in texts {
                writeln!(f, "{key} = {}", quoted(value))?;
            }
            writeln!(f, "size = {}", package.size)?;
            writeln!(f, "sha256 = {}", quoted(&package.sha256))?;
        }
        Ok(())
    }
}

/// A basic string of TOML 1.0.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                write!(out, "\\u{:04X}", u32::from(c))
                    .expect("because writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What is different in `new`, by architecture and name.
#[must_use]
pub fn changes(old: &Lock, new: &Lock) -> Vec<Change> {
    let by_key = |lock: &Lock| -> BTreeMap<(String, String), LockedPackage> {
        let key = |one: &LockedPackage| (one.architecture.clone(), one.name.clone());
        lock.packages
            .iter()
            .map(|one| (key(one), one.clone()))
            .collect()
    };
    let (old, new) = (by_key(old), by_key(new));
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let change = |key| match (old.get(key), new.get(key)) {
        (None, Some(one)) => Some(Change::Added(one.clone())),
        (Some(one), None) => Some(Change::Removed(one.clone())),
        (Some(from), Some(to)) if from.version != to.version => Some(Change::Version {
            from: from.clone(),
            to: to.clone(),
        }),
        (Some(from), Some(to)) if from.sha256 != to.sha256 => Some(Change::Content(to.clone())),
        _ => None,
    };
    keys.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> LockedPackage {
        LockedPackage {
            architecture: "amd64".to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            source: "src".to_owned(),
            url: format!("http://example.com/\"{name}\\\u{1}.deb"),
            size: 7,
            sha256: "0a".repeat(32),
        }
    }

    fn lock(packages: Vec<LockedPackage>) -> Lock {
        let releases = [3, 9, 5].map(|date| LockedRelease {
            url: "http://example.com".to_owned(),
            suite: "stable".to_owned(),
            date,
        });
        Lock::new(Digest::sha256(b""), releases.to_vec(), packages)
    }

    #[test]
    fn what_is_written_is_read() {
        let lock = lock(vec![package("aa", "1:2~"), package("bb", "1")]);
        assert_eq!(lock.epoch, 9);
        assert_eq!(lock.to_string().parse::<Lock>().unwrap(), lock);
    }

    #[test]
    fn changes_are_listed() {
        let old = lock(vec![
            package("aa", "1"),
            package("bb", "1"),
            package("dd", "1"),
            package("ee", "1"),
        ]);
        let mut other = package("dd", "1");
        other.sha256 = "0b".repeat(32);
        let new = lock(vec![
            package("bb", "2"),
            package("cc", "1"),
            other.clone(),
            package("ee", "1"),
        ]);
        assert_eq!(
            changes(&old, &new),
            [
                Change::Removed(package("aa", "1")),
                Change::Version {
                    from: package("bb", "1"),
                    to: package("bb", "2")
                },
                Change::Added(package("cc", "1")),
                Change::Content(other),
            ]
        );
        assert_eq!(changes(&new, &new), []);
    }

    #[test]
    fn what_was_changed_into_nonsense_is_refused() {
        let good = lock(vec![package("aa", "1")]).to_string();
        for (from, to, words) in [
            ("version = 1\n", "version = 2\n", "version 2"),
            ("name = \"aa\"", "name = \"../aa\"", "name `../aa`"),
            ("source = \"src\"", "source = \"s/c\"", "source `s/c`"),
            ("version = \"1\"", "version = \"-\"", "version `-`"),
            ("\"amd64\"", "\"x86\"", "architecture `x86`"),
            ("0a0a", "0A0a", "sha256"),
            ("size = 7", "size = -7", "line "),
            ("size = 7", "length = 7", "line "),
            ("request = \"sha256:", "request = \"sha256:xx", "line 3"),
        ] {
            let error = good
                .replacen(from, to, 1)
                .parse::<Lock>()
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
