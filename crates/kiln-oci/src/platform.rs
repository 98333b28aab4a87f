//! Platforms: operating system, architecture, variant.
//!
//! Source: OCI image specification, "image-index.md"; normalization as in containerd's `platforms`
//! package, which every client follows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// CPU architecture in Go's words: `amd64`, `arm64`, `arm`, …
    pub architecture: String,
    /// Operating system in Go's words: `linux`, `windows`, …
    pub os: String,
    /// Version of the operating system; Windows needs it.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Features that the operating system must have.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Variant of the CPU: `v7` of `arm`, `v8` of `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that names no platform.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "invalid platform `{text}`: expected `os/architecture[/variant]`, for example `linux/arm64`"
)]
pub struct InvalidPlatform {
    text: String,
}

impl Platform {
    /// A platform by its normalized names.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) = normalize(architecture, variant.unwrap_or(""));
        Self {
            architecture,
            os: normalize_os(os),
            os_version: None,
            os_features: vec![],
            variant,
        }
    }

    /// The platform this program was compiled for, with `linux` as its system: images hold Linux
    /// programs wherever kiln itself runs.
    #[must_use]
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// Whether an image for `self` runs natively where `wanted` is asked for: same system and
    /// architecture, and a variant that is equal or the default one.
    #[must_use]
    pub fn satisfies(&self, wanted: &Self) -> bool {
        let have = Self::new(&self.os, &self.architecture, self.variant.as_deref());
        let want = Self::new(&wanted.os, &wanted.architecture, wanted.variant.as_deref());
        have.os == want.os
            && have.architecture == want.architecture
            && (have.variant == want.variant || (have.variant.is_none() && want.variant.is_none()))
    }

    /// The way file names and stage suffixes spell it: `linux_arm_v7`.
    #[must_use]
    pub fn file_stem(&self) -> String {
        self.to_string().replace('/', "_")
    }
}

fn normalize_os(os: &str) -> String {
    let os = os.to_ascii_lowercase();
    if os == "macos" {
        "darwin".to_owned()
    } else {
        os
    }
}

/// Aliases of architectures, and the variants that say nothing beyond the default.
fn normalize(architecture: &str, variant: &str) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("i386" | "i486" | "i586" | "i686" | "x86" | "386", _) => ("386", ""),
        ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        ("powerpc64" | "ppc64", variant) => ("ppc64", variant),
        ("powerpc64le" | "ppc64le", variant) => ("ppc64le", variant),
        (architecture, variant) => (architecture, variant),
    };
    (
        architecture.to_owned(),
        (!variant.is_empty()).then(|| variant.to_owned()),
    )
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    /// Accepts `os/arch[/variant]`, `os` alone and `arch` alone; the missing half is Linux or the
    /// architecture of this program.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPlatform {
            text: text.chars().take(200).collect(),
        };
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        if !parts.iter().all(word) {
            return Err(invalid());
        }
        match parts[..] {
            [one] if KNOWN_SYSTEMS.contains(&one.to_ascii_lowercase().as_str()) => {
                Ok(Self::new(one, std::env::consts::ARCH, None))
            }
            [one] if is_known_architecture(one) => Ok(Self::new("linux", one, None)),
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(invalid()),
        }
    }
}

const KNOWN_SYSTEMS: &[&str] = &[
    "linux", "windows", "darwin", "macos", "freebsd", "wasi", "js",
];

fn is_known_architecture(word: &str) -> bool {
    const KNOWN: &[&str] = &[
        "amd64",
        "arm64",
        "arm",
        "386",
        "ppc64",
        "ppc64le",
        "s390x",
        "riscv64",
        "mips",
        "mipsle",
        "mips64",
        "mips64le",
        "loong64",
        "loongarch64",
        "wasm",
    ];
    KNOWN.contains(&normalize(word, "").0.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_become_one_name() {
        for (text, normal) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("arm64", "linux/arm64"),
            ("macos/arm64", "darwin/arm64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
        ] {
            assert_eq!(
                text.parse::<Platform>().unwrap().to_string(),
                normal,
                "{text}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "/", "linux/", "linux/a/b/c", "linux/am d64", "teapot"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unnormalized_document_satisfies_the_normal_wish() {
        let document: Platform =
            serde_json::from_str(r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#)
                .unwrap();
        assert!(document.satisfies(&"linux/arm64".parse().unwrap()));
        assert!(!document.satisfies(&"linux/amd64".parse().unwrap()));
    }
}
