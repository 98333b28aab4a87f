//! Image files for what people want most often.
//!
//! A preset is a text: `kiln assemble new` writes it down as a beginning, `--preset` uses it as it is. The
//! names of packages are those that Debian 12 and 13 have in common; what has another name in one of them is
//! named by what it provides.

use std::fmt::Write as _;

use crate::spec::Architecture;

/// A kind of image.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What to call it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    packages: &'static [&'static str],
    kind: Kind,
    /// Keys beside packages, as they stand in the file.
    more: &'static str,
}

/// What becomes of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing runs, and what programs do not need is left out.
    Distroless,
    /// What an installer would make of them.
    System,
}

/// Where a preset's packages come from.
#[derive(Clone, Copy, Debug)]
pub struct PresetSource<'a> {
    /// The mirror's address.
    pub mirror: &'a str,
    /// The suite.
    pub suite: &'a str,
    /// The file with the mirror's keys.
    pub keyring: &'a str,
}

const STATIC: &[&str] = &["base-files", "ca-certificates", "netbase", "tzdata"];
const BASE: &[&str] = &[
    "base-files",
    "ca-certificates",
    "libc6",
    "libssl3",
    "netbase",
    "tzdata",
];

/// All presets, the smallest first.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "static",
        about: "programs that need no library: certificates, time zones, users",
        packages: STATIC,
        kind: Kind::Distroless,
        more: "",
    },
    Preset {
        name: "busybox",
        about: "the same with a shell and small tools",
        packages: &[
            "base-files",
            "busybox-static",
            "ca-certificates",
            "netbase",
            "tzdata",
        ],
        kind: Kind::Distroless,
        more: BUSYBOX,
    },
    Preset {
        name: "base",
        about: "programs that need the C library or OpenSSL",
        packages: BASE,
        kind: Kind::Distroless,
        more: "",
    },
    Preset {
        name: "cc",
        about: "programs in C++, Rust and others that need the compiler's libraries",
        packages: &[
            "base-files",
            "ca-certificates",
            "libc6",
            "libgcc-s1",
            "libssl3",
            "libstdc++6",
            "netbase",
            "tzdata",
        ],
        kind: Kind::Distroless,
        more: "",
    },
    Preset {
        name: "python3",
        about: "programs in Python",
        packages: &[
            "base-files",
            "ca-certificates",
            "libc6",
            "netbase",
            "python3",
            "tzdata",
        ],
        kind: Kind::Distroless,
        more: "\n[config]\nentrypoint = [\"/usr/bin/python3\"]\n",
    },
    Preset {
        name: "nodejs",
        about: "programs for Node.js",
        packages: &[
            "base-files",
            "ca-certificates",
            "libc6",
            "netbase",
            "nodejs",
            "tzdata",
        ],
        kind: Kind::Distroless,
        more: "\n[config]\nentrypoint = [\"/usr/bin/node\"]\n",
    },
    Preset {
        name: "java",
        about: "programs for a Java runtime without a display",
        packages: &[
            "base-files",
            "ca-certificates",
            "default-jre-headless",
            "libc6",
            "netbase",
            "tzdata",
        ],
        kind: Kind::Distroless,
        more: "\n# What update-alternatives would have made.\n[[file]]\npath = \"/usr/bin/java\"\n\
               link = \"/usr/lib/jvm/default-java/bin/java\"\n\n[config]\nentrypoint = [\"/usr/bin/java\"]\n",
    },
    Preset {
        name: "debian-minbase",
        about: "a small Debian with apt, to build on",
        packages: &["apt"],
        kind: Kind::System,
        more: "\n[config]\nuser = \"0\"\ncmd = [\"bash\"]\n",
    },
];

/// A link for each of the tools that people reach for first.
const BUSYBOX: &str = "
# busybox is every tool whose name it is called by.
file = [
  { path = \"/usr/bin/sh\", link = \"busybox\" },
  { path = \"/usr/bin/ls\", link = \"busybox\" },
  { path = \"/usr/bin/cat\", link = \"busybox\" },
  { path = \"/usr/bin/cp\", link = \"busybox\" },
  { path = \"/usr/bin/mv\", link = \"busybox\" },
  { path = \"/usr/bin/rm\", link = \"busybox\" },
  { path = \"/usr/bin/mkdir\", link = \"busybox\" },
  { path = \"/usr/bin/grep\", link = \"busybox\" },
  { path = \"/usr/bin/sed\", link = \"busybox\" },
  { path = \"/usr/bin/find\", link = \"busybox\" },
  { path = \"/usr/bin/tar\", link = \"busybox\" },
  { path = \"/usr/bin/vi\", link = \"busybox\" },
  { path = \"/usr/bin/wget\", link = \"busybox\" },
  { path = \"/usr/bin/ps\", link = \"busybox\" },
  { path = \"/usr/bin/env\", link = \"busybox\" },
  { path = \"/usr/bin/id\", link = \"busybox\" },
]
";

/// What packages need only for their scripts, or for `/usr` to be merged, which it is.
const ASSUMED: &[&str] = &[
    "awk",
    "ca-certificates-java",
    "debconf",
    "debconf-2.0",
    "dpkg",
    "install-info",
    "openssl",
    "usr-is-merged",
];

impl Preset {
    /// The preset of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Whether maintainer scripts run.
    #[must_use]
    pub fn runs_scripts(&self) -> bool {
        self.kind == Kind::System
    }

    /// The image file.
    #[must_use]
    pub fn text(&self, source: PresetSource<'_>, architectures: &[Architecture]) -> String {
        let mut text = format!("# {}: {}.\n", self.name, self.about);
        let names: Vec<_> = architectures.iter().map(|one| one.debian()).collect();
        let (assumed, dropped) = match self.kind {
            Kind::Distroless => (ASSUMED, &["docs", "man", "locales"][..]),
            Kind::System => (&[][..], &[][..]),
        };
        let packages: Vec<&str> = self
            .packages
            .iter()
            .map(|name| match *name {
                "libssl3" if has_other_time(&names, source.suite) => "libssl3t64",
                name => name,
            })
            .collect();
        let lists = [
            ("architectures", &names[..]),
            ("packages", &packages),
            ("assume", assumed),
            ("drop", dropped),
        ];
        for (key, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            let quoted: Vec<_> = list.iter().map(|word| format!("\"{word}\"")).collect();
            let _ = writeln!(text, "{key} = [{}]", quoted.join(", "));
        }
        if self.kind == Kind::System {
            text.push_str("priorities = [\"required\"]\nscripts = \"run\"\n");
        }
        let (before, after) = match self.more.contains("\n[") {
            true => ("", self.more),
            false => (self.more, ""),
        };
        text.push_str(before);
        let PresetSource {
            mirror,
            suite,
            keyring,
        } = source;
        let _ = write!(
            text,
            "\n[[repository]]\nurl = {}\nsuites = [{}]\nkeyring = {}\n",
            quoted(mirror),
            quoted(suite),
            quoted(keyring)
        );
        text.push_str(after);
        text
    }
}

/// Whether a library's name says that its times have 64 bits. Since Debian 13 it does, but only 32-bit ARM lacks the
/// old name, because only there the old and the new library differ.
fn has_other_time(architectures: &[&str], suite: &str) -> bool {
    let is_arm = |name: &&str| ["armel", "armhf"].contains(name);
    let is_before = ["bookworm", "oldstable"]
        .iter()
        .any(|old| suite.starts_with(old));
    architectures.iter().any(is_arm) && !is_before
}

/// A basic string of TOML. Control characters have no place in what people type here, and are refused when
/// the text is read.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Scripts, Spec};

    #[test]
    fn every_preset_is_an_image_file() {
        let source = PresetSource {
            mirror: "http://mirror.example.com/debian",
            suite: "stable",
            keyring: "/a \"ring\".gpg",
        };
        for preset in PRESETS {
            let text = preset.text(
                source,
                &["amd64".parse().unwrap(), "arm64".parse().unwrap()],
            );
            let spec: Spec = text
                .parse()
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(spec.packages.len(), preset.packages.len());
            assert_eq!(spec.repositories[0].keyring, "/a \"ring\".gpg");
            assert_eq!(spec.architectures.len(), 2);
            assert_eq!(Preset::find(preset.name).unwrap().name, preset.name);
            assert_eq!(spec.scripts == Scripts::Run, preset.runs_scripts());
        }
        let base = |suite, architecture: &str| {
            let of = PresetSource { suite, ..source };
            Preset::find("base")
                .unwrap()
                .text(of, &[architecture.parse().unwrap()])
        };
        assert!(base("stable", "armhf").contains("\"libssl3t64\""));
        assert!(base("bookworm", "armhf").contains("\"libssl3\""));
        assert!(base("stable", "arm64").contains("\"libssl3\""));
        let busybox = Preset::find("busybox").unwrap().text(source, &[]);
        assert_eq!(busybox.parse::<Spec>().unwrap().files.len(), 16);
        assert!(Preset::find("windows").is_none());
    }
}
