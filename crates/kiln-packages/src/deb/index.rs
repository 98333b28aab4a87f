//! What a `Packages` index, or a package's own `control` file, says about one binary package.
//!
//! Source: Debian Policy 5.3 and 5.6, `deb-control(5)`, "DebianRepository/Format" section "Packages".

use super::relation::{InvalidRelation, Relations};
use super::stanza::Stanza;
use super::version::{InvalidVersion, Version};
use super::{is_architecture, is_package_name};

/// A binary package.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What it runs on, or `all`.
    pub architecture: String,
    /// What it was built from.
    pub source: Source,
    /// Whether it satisfies other architectures' relations, or can be there several times.
    pub multi_arch: MultiArch,
    /// Whether an installed system may not be without it.
    pub essential: bool,
    /// `required`, `important`, `standard`, `optional` or `extra`; empty where none is given.
    pub priority: String,
    /// In KiB, as its maker estimated.
    pub installed_size: Option<u64>,
    /// Where the archive is, from the root of the repository; only in indexes.
    pub filename: Option<String>,
    /// The archive's length in bytes; only in indexes.
    pub size: Option<u64>,
    /// The archive's SHA-256 in lower-case hexadecimal; only in indexes.
    pub sha256: Option<String>,
    /// All of it.
    pub stanza: Stanza,
}

/// The source package that a binary package was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its version, as text because it often is the binary's own.
    pub version: String,
}

/// The field `Multi-Arch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiArch {
    /// `no`, or the field is not there.
    #[default]
    No,
    /// `same`: several architectures side by side.
    Same,
    /// `foreign`: satisfies relations of any architecture.
    Foreign,
    /// `allowed`: may satisfy `name:any`.
    Allowed,
}

/// A stanza that describes no binary package.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPackage {
    /// A field is not there.
    #[error("line {line}: a package without the field `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
        /// Where the stanza begins.
        line: usize,
    },
    /// A field's value makes no sense.
    #[error(
        "line {line}: the field `{field}` of the package `{package}` has the unusable value `{value}`"
    )]
    Value {
        /// The field.
        field: &'static str,
        /// The package's name.
        package: String,
        /// The value, cut if it is long.
        value: String,
        /// Where the stanza begins.
        line: usize,
    },
    /// The version is none.
    #[error("line {line}: the package `{package}` has an unusable version")]
    Version {
        /// The package's name.
        package: String,
        /// Where the stanza begins.
        line: usize,
        /// Why.
        #[source]
        source: InvalidVersion,
    },
    /// A list of relations breaks the grammar.
    #[error("the field `{field}` of the package `{package}` cannot be read")]
    Relations {
        /// The field.
        field: &'static str,
        /// The package's name.
        package: String,
        /// Why.
        #[source]
        source: InvalidRelation,
    },
}

impl Package {
    /// Reads a stanza.
    ///
    /// # Errors
    /// When a field that every package has is not there or makes no sense.
    pub fn new(stanza: Stanza) -> Result<Self, InvalidPackage> {
        let line = stanza.line();
        let needed = |field| {
            let value = stanza.get(field).filter(|value| !value.is_empty());
            value.ok_or(InvalidPackage::Missing { field, line })
        };
        let name = needed("Package")?.to_owned();
        let wrong = |field, value: &str| InvalidPackage::Value {
            field,
            package: name.chars().take(80).collect(),
            value: value.chars().take(80).collect(),
            line,
        };
        if !is_package_name(&name) {
            return Err(wrong("Package", &name));
        }
        let architecture = needed("Architecture")?.to_owned();
        if !is_architecture(&architecture) {
            return Err(wrong("Architecture", &architecture));
        }
        let version: Version =
            needed("Version")?
                .parse()
                .map_err(|source| InvalidPackage::Version {
                    package: name.clone(),
                    line,
                    source,
                })?;
        let number = |field| match stanza.get(field).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.parse().map(Some).map_err(|_| wrong(field, value)),
        };
        let sha256 = stanza.get("SHA256").map(str::to_ascii_lowercase);
        if let Some(bad) = sha256.as_deref().filter(|hex| !is_sha256(hex)) {
            return Err(wrong("SHA256", bad));
        }
        let filename = stanza.get("Filename").map(str::to_owned);
        if let Some(bad) = filename.as_deref().filter(|path| !is_inside(path)) {
            return Err(wrong("Filename", bad));
        }
        Ok(Self {
            source: source(&stanza, &name, &version).map_err(|value| wrong("Source", &value))?,
            multi_arch: multi_arch(&stanza).map_err(|value| wrong("Multi-Arch", &value))?,
            essential: stanza.get("Essential") == Some("yes"),
            priority: stanza.get("Priority").unwrap_or_default().to_owned(),
            // An estimate is not worth a refusal.
            installed_size: number("Installed-Size").unwrap_or(None),
            size: number("Size")?,
            sha256,
            filename,
            architecture,
            version,
            name,
            stanza,
        })
    }

    /// The relations in the field of that name; none where it is not there.
    ///
    /// # Errors
    /// When the field breaks the grammar.
    pub fn relations(&self, field: &'static str) -> Result<Relations, InvalidPackage> {
        let text = self.stanza.get(field).unwrap_or_default();
        text.parse().map_err(|source| InvalidPackage::Relations {
            field,
            package: self.name.clone(),
            source,
        })
    }
}

/// `name` or `name (version)`; without the field both are the binary's.
fn source(stanza: &Stanza, name: &str, version: &Version) -> Result<Source, String> {
    let text = stanza.get("Source").filter(|text| !text.is_empty());
    let text = text.unwrap_or(name);
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    let own = rest.trim_end().strip_suffix(')').map(str::trim);
    let source = Source {
        name: name.trim().to_owned(),
        version: own.map_or_else(|| version.to_string(), str::to_owned),
    };
    let version_is_good = source.version.parse::<Version>().is_ok();
    let has_version = text.contains('(');
    match is_package_name(&source.name) && version_is_good && has_version == own.is_some() {
        true => Ok(source),
        false => Err(text.to_owned()),
    }
}

fn multi_arch(stanza: &Stanza) -> Result<MultiArch, String> {
    match stanza.get("Multi-Arch") {
        None | Some("" | "no") => Ok(MultiArch::No),
        Some("same") => Ok(MultiArch::Same),
        Some("foreign") => Ok(MultiArch::Foreign),
        Some("allowed") => Ok(MultiArch::Allowed),
        Some(other) => Err(other.to_owned()),
    }
}

/// 64 lower-case hexadecimal digits.
pub(super) fn is_sha256(hex: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    hex.len() == 64 && hex.bytes().all(is_digit)
}

/// Whether a path stays below where it is joined to, and can stand in a URL and in a line.
pub(super) fn is_inside(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\?#\"<>".contains(&byte);
    !path.is_empty()
        && path.len() <= 1024
        && path.bytes().all(is_plain)
        && path.split('/').all(|part| !part.is_empty() && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str) -> Result<Package, InvalidPackage> {
        Package::new(Stanza::parse(text.as_bytes()).unwrap())
    }

    const GOOD: &str = "Package: libssl3\nVersion: 3.0.11-1\nArchitecture: amd64\n";

    #[test]
    fn a_package_is_read() {
        let hash = "AB".repeat(32);
        let all = package(&format!(
            "{GOOD}Source: openssl (3.0.11-1~src)\nMulti-Arch: same\nInstalled-Size: lots\nSize: 12\n\
             SHA256: {hash}\nFilename: pool/main/o/openssl/libssl3_3.0.11-1_amd64.deb\nDepends: libc6\n"
        ))
        .unwrap();
        assert_eq!(all.source.name, "openssl");
        assert_eq!(all.source.version, "3.0.11-1~src");
        assert_eq!((all.multi_arch, all.size), (MultiArch::Same, Some(12)));
        assert_eq!(all.sha256, Some(hash.to_lowercase()));
        assert_eq!(all.relations("Depends").unwrap().0.len(), 1);
        assert_eq!(all.relations("Conflicts").unwrap().0.len(), 0);
        let own = package(GOOD).unwrap();
        assert_eq!(
            (own.source.name.as_str(), own.source.version.as_str()),
            ("libssl3", "3.0.11-1")
        );
        assert!(!own.essential);
    }

    #[test]
    fn names_and_paths_that_lead_elsewhere_are_refused() {
        for (text, field) in [
            (
                "Package: ../x\nVersion: 1\nArchitecture: all\n".to_owned(),
                "Package",
            ),
            (
                "Package: good\nVersion: 1\nArchitecture: ../x\n".to_owned(),
                "Architecture",
            ),
            (format!("{GOOD}Filename: ../../etc/shadow\n"), "Filename"),
            (format!("{GOOD}Filename: /etc/shadow\n"), "Filename"),
            (format!("{GOOD}Filename: pool/a b.deb\n"), "Filename"),
            (format!("{GOOD}Source: ../x\n"), "Source"),
            (format!("{GOOD}Source: good (1\n"), "Source"),
            (format!("{GOOD}Size: -1\n"), "Size"),
            (format!("{GOOD}SHA256: 12\n"), "SHA256"),
            (format!("{GOOD}Multi-Arch: maybe\n"), "Multi-Arch"),
        ] {
            let error = package(&text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{field}`")), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for field in ["Package", "Version", "Architecture"] {
            let lines = GOOD.lines().filter(|line| !line.starts_with(field));
            let text = lines.map(|line| format!("{line}\n")).collect::<String>();
            let error = package(&text).unwrap_err().to_string();
            assert!(
                error.contains(&format!("without the field `{field}`")),
                "{error}"
            );
        }
        let bad = package(&format!("{GOOD}Depends: (\n")).unwrap();
        assert!(bad.relations("Depends").is_err());
    }
}
