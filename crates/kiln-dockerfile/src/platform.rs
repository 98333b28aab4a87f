//! Platforms as plain text parts, and the automatic arguments that are made of them.

use std::fmt;

/// A platform. The parts are taken as they are; nothing is normalised but what [`PlatformParts::parse`]
/// says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlatformParts {
    /// Operating system, for example `linux`.
    pub os: String,
    /// Architecture as Go names it, for example `arm64`.
    pub architecture: String,
    /// Variant, for example `v7`; empty if there is none.
    pub variant: String,
    /// Version of the operating system; empty but for Windows.
    pub os_version: String,
}

/// Architectures that may stand alone as a platform.
const ARCHITECTURES: [&str; 12] = [
    "amd64", "arm64", "arm", "386", "ppc64le", "ppc64", "s390x", "riscv64", "mips64le", "mips64",
    "loong64", "wasm",
];
/// Operating systems that may stand alone as a platform.
const SYSTEMS: [&str; 9] = [
    "linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasip1", "js",
];

impl PlatformParts {
    /// A platform of Linux.
    pub fn linux(architecture: &str, variant: &str) -> PlatformParts {
        PlatformParts {
            os: "linux".to_string(),
            architecture: architecture.to_string(),
            variant: variant.to_string(),
            os_version: String::new(),
        }
    }

    /// Reads `os/arch[/variant]`, `os(version)/arch`, or one known os or architecture alone, whose
    /// missing half comes from `default`. Common aliases (`x86_64`, `aarch64`, `macos` …) are folded.
    pub fn parse(text: &str, default: &PlatformParts) -> Option<PlatformParts> {
        let parts: Vec<&str> = text.trim().split('/').collect();
        let fine = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.()".contains(&byte))
        };
        if parts.len() > 3 || !parts.iter().all(fine) {
            return None;
        }
        let (os, os_version) = match parts[0].split_once('(') {
            Some((os, version)) => (os, version.strip_suffix(')')?),
            None => (parts[0], ""),
        };
        let os = match os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_string(),
            os => os.to_string(),
        };
        if parts.len() == 1 {
            if SYSTEMS.contains(&os.as_str()) {
                let os_version = os_version.to_string();
                return Some(PlatformParts {
                    os,
                    os_version,
                    ..default.clone()
                });
            }
            let (architecture, variant) = architecture(parts[0], "");
            return ARCHITECTURES
                .contains(&architecture.as_str())
                .then(|| PlatformParts {
                    os: default.os.clone(),
                    architecture,
                    variant,
                    os_version: String::new(),
                });
        }
        let (architecture, variant) = architecture(parts[1], parts.get(2).unwrap_or(&""));
        Some(PlatformParts {
            os,
            architecture,
            variant,
            os_version: os_version.to_string(),
        })
    }

    /// Whether an image of `other` runs where this one is asked for, as BuildKit's check sees it.
    pub fn same_machine(&self, other: &PlatformParts) -> bool {
        self.os == other.os && self.architecture == other.architecture
    }
}

/// Folds the aliases of architectures and drops variants that say nothing.
fn architecture(name: &str, variant: &str) -> (String, String) {
    let (name, variant) = (name.to_ascii_lowercase(), variant.to_ascii_lowercase());
    let (name, variant) = match (name.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        (name, variant) => (name, variant),
    };
    (name.to_string(), variant.to_string())
}

impl fmt::Display for PlatformParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.os.is_empty() {
            "unknown"
        } else {
            &self.os
        })?;
        if !self.os_version.is_empty() {
            write!(f, "({})", self.os_version)?;
        }
        for part in [&self.architecture, &self.variant] {
            if !part.is_empty() {
                write!(f, "/{part}")?;
            }
        }
        Ok(())
    }
}

/// The automatic arguments, in BuildKit's order.
pub fn automatic_args(
    build: &PlatformParts,
    target: &PlatformParts,
    stage: &str,
) -> Vec<(String, String)> {
    let mut args = Vec::new();
    for (prefix, platform) in [("BUILD", build), ("TARGET", target)] {
        for (name, value) in [
            ("PLATFORM", &platform.to_string()),
            ("OS", &platform.os),
            ("OSVERSION", &platform.os_version),
            ("ARCH", &platform.architecture),
            ("VARIANT", &platform.variant),
        ] {
            args.push((format!("{prefix}{name}"), value.clone()));
        }
    }
    let stage = if stage.is_empty() { "default" } else { stage };
    args.push(("TARGETSTAGE".to_string(), stage.to_string()));
    args
}

/// Whether this is the name of a proxy argument, which RUN gets without an `ARG`.
pub fn is_proxy_arg(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let one_case = name == upper || name == name.to_ascii_lowercase();
    let known = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "FTP_PROXY",
        "NO_PROXY",
        "ALL_PROXY",
    ];
    one_case && known.contains(&upper.as_str())
}

/// Arguments that steer the build and need no `ARG` to be accepted.
pub fn is_special_arg(name: &str) -> bool {
    name == "SOURCE_DATE_EPOCH" || name.starts_with("BUILDKIT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_platforms() {
        let default = PlatformParts::linux("amd64", "");
        for (text, printed) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux/arm/v7", Some("linux/arm/v7")),
            ("linux/arm", Some("linux/arm/v7")),
            ("linux/arm64/v8", Some("linux/arm64")),
            ("linux/aarch64", Some("linux/arm64")),
            ("LINUX/X86_64", Some("linux/amd64")),
            ("arm64", Some("linux/arm64")),
            ("windows", Some("windows/amd64")),
            (
                "windows(10.0.17763)/amd64",
                Some("windows(10.0.17763)/amd64"),
            ),
            ("macos/arm64", Some("darwin/arm64")),
            ("nonsense", None),
            ("linux//v7", None),
            ("a/b/c/d", None),
            ("", None),
        ] {
            let parsed = PlatformParts::parse(text, &default).map(|parts| parts.to_string());
            assert_eq!(parsed.as_deref(), printed, "{text}");
        }
    }

    #[test]
    fn proxies_come_in_both_cases() {
        for (name, expected) in [
            ("HTTP_PROXY", true),
            ("no_proxy", true),
            ("Http_Proxy", false),
            ("PROXY", false),
        ] {
            assert_eq!(is_proxy_arg(name), expected, "{name}");
        }
    }
}
