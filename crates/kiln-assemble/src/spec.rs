//! `image.toml`: what an image should hold.
//!
//! ```toml
//! architectures = ["amd64", "arm64"]      # Debian's names; several make an index
//! packages = ["base-files", "libc6", "openssl (>= 3)"]
//! assume = ["awk"]                        # relations to these count as satisfied
//! drop = ["docs", "man", "locales"]
//! max-layers = 40
//!
//! [[repository]]
//! url = "https://mirror.example.com/debian"
//! suites = ["stable", "stable-updates"]
//! components = ["main"]
//! keyring = "archive-keyring.gpg"         # seen from this file
//!
//! [[user]]
//! name = "app"
//! uid = 1000
//!
//! [[file]]
//! path = "/app/server"
//! source = "target/server"                # or `content`, `link`, `directory = true`
//! mode = "0755"
//!
//! [config]
//! user = "app"
//! entrypoint = ["/app/server"]
//! ```
//!
//! A key that is not known is an error: a wish that silently does nothing is worse.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kiln_layer::entry::clean_path;
use kiln_oci::{Digest, Platform};
use kiln_packages::deb::Relation;
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// The most layers that an image may ask for: overlayfs and clients end a little above.
const MOST_LAYERS: usize = 100;

/// What an image should hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spec {
    /// What it runs on; several make an index. Empty for this machine's alone.
    #[serde(default)]
    pub architectures: Vec<Architecture>,
    /// The packages, as in a `Depends` field; `name=version` is understood, too.
    #[serde(default, deserialize_with = "relations")]
    pub packages: Vec<Relation>,
    /// Packages of these priorities come along, as in a system that an installer makes.
    #[serde(default)]
    pub priorities: Vec<Priority>,
    /// Names to which relations count as satisfied: what packages need only for their scripts.
    #[serde(default)]
    pub assume: Vec<String>,
    /// What is left out of packages.
    #[serde(default)]
    pub drop: Vec<Drop>,
    /// The most layers; packages beyond share the last one.
    #[serde(default = "default_layers")]
    pub max_layers: usize,
    /// What becomes of maintainer scripts.
    #[serde(default)]
    pub scripts: Scripts,
    /// Where packages come from.
    #[serde(default, rename = "repository")]
    pub repositories: Vec<RepositorySpec>,
    /// Users beside root, nobody and nonroot.
    #[serde(default, rename = "user")]
    pub users: Vec<UserSpec>,
    /// Further files, directories and links.
    #[serde(default, rename = "file")]
    pub files: Vec<FileSpec>,
    /// How containers run.
    #[serde(default)]
    pub config: ConfigSpec,
}

/// What becomes of maintainer scripts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scripts {
    /// They do not run.
    #[default]
    None,
    /// They run in the sandbox, and dpkg has its database. Essential packages come along, because scripts
    /// count on them.
    Run,
}

/// How much an ordinary system needs a package (Debian Policy 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Nothing works without it.
    Required,
    /// Anybody would miss it.
    Important,
    /// A small system in text mode has it.
    Standard,
}

impl Priority {
    /// As the field `Priority` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Important => "important",
            Self::Standard => "standard",
        }
    }
}

/// A repository in apt's format.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RepositorySpec {
    /// Where it is: the directory that has `dists` in it.
    pub url: String,
    /// Its suites: `stable`, `stable-updates` …
    pub suites: Vec<String>,
    /// The components of each.
    #[serde(default = "default_components")]
    pub components: Vec<String>,
    /// The file with the keys that may sign it, seen from the directory of `image.toml`.
    pub keyring: String,
    /// Whether a release that has expired is refused. Archives of old states need `false`.
    #[serde(default = "yes")]
    pub check_valid_until: bool,
}

/// A user, and a group of the same name and number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UserSpec {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The group's number [default: the user's].
    pub gid: Option<u32>,
    /// The home directory [default: `/home/NAME`]; it is made.
    pub home: Option<String>,
    /// The shell [default: `/sbin/nologin`].
    pub shell: Option<String>,
}

/// A file, a directory or a link.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileSpec {
    /// Where it goes.
    pub path: String,
    /// Its content as text.
    pub content: Option<String>,
    /// The file that has its content, seen from the directory of `image.toml`.
    pub source: Option<String>,
    /// Where a symbolic link leads.
    pub link: Option<String>,
    /// Whether it is a directory.
    #[serde(default)]
    pub directory: bool,
    /// Permissions in octal [default: 0644, for directories 0755].
    #[serde(default, deserialize_with = "mode")]
    pub mode: Option<u32>,
    /// The owner's number.
    #[serde(default)]
    pub uid: u32,
    /// The group's number.
    #[serde(default)]
    pub gid: u32,
}

/// How containers run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ConfigSpec {
    /// Who the program runs as [default: nonroot].
    pub user: Option<String>,
    /// The environment; `PATH` and `SSL_CERT_FILE` are set unless they stand here.
    pub env: BTreeMap<String, String>,
    /// The program.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments.
    pub cmd: Option<Vec<String>>,
    /// Where it starts.
    pub workdir: Option<String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
}

/// A kind of files that images can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drop {
    /// `/usr/share/doc` but for `copyright`, `/usr/share/info`, `/usr/share/doc-base`,
    /// `/usr/share/bug`, `/usr/share/lintian`.
    Docs,
    /// `/usr/share/doc/*/copyright`, which licences may ask to be kept.
    Copyright,
    /// `/usr/share/man`.
    Man,
    /// `/usr/share/locale` and `/usr/share/i18n`.
    Locales,
}

/// A text that is no `image.toml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct InvalidSpec {
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
    /// The line's text.
    pub text: String,
}

/// An architecture, by Debian's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture {
    debian: &'static str,
    platform: &'static str,
}

/// Debian's names and what OCI calls the same (Debian's `arch-test` and Go's `GOARCH`).
const ARCHITECTURES: &[(&str, &str)] = &[
    ("amd64", "linux/amd64"),
    ("arm64", "linux/arm64"),
    ("armel", "linux/arm/v5"),
    ("armhf", "linux/arm/v7"),
    ("i386", "linux/386"),
    ("loong64", "linux/loong64"),
    ("mips64el", "linux/mips64le"),
    ("ppc64el", "linux/ppc64le"),
    ("riscv64", "linux/riscv64"),
    ("s390x", "linux/s390x"),
];

impl Architecture {
    /// Debian's name.
    #[must_use]
    pub fn debian(self) -> &'static str {
        self.debian
    }

    /// What images for it say that they run on.
    #[must_use]
    pub fn platform(self) -> Platform {
        let platform = self.platform.parse();
        platform.expect("because the table holds platforms")
    }

    /// The one that runs on `platform`, if Debian has it.
    #[must_use]
    pub fn of(platform: &Platform) -> Option<Self> {
        let all = ARCHITECTURES
            .iter()
            .map(|&(debian, platform)| Self { debian, platform });
        let mut all = all.filter(|known| known.platform().satisfies(platform));
        all.next()
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = ARCHITECTURES.iter().find(|(debian, _)| *debian == name);
        found
            .map(|&(debian, platform)| Self { debian, platform })
            .ok_or_else(|| {
                let names: Vec<_> = ARCHITECTURES.iter().map(|(debian, _)| *debian).collect();
                format!(
                    "`{name}` is not an architecture of Debian's: {}",
                    names.join(", ")
                )
            })
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.debian)
    }
}

impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

fn default_layers() -> usize {
    40
}

fn default_components() -> Vec<String> {
    vec!["main".to_owned()]
}

fn yes() -> bool {
    true
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let mode = u32::from_str_radix(&text, 8).ok();
    let mode = mode.filter(|mode| *mode <= 0o7777 && !text.starts_with('+'));
    mode.map(Some)
        .ok_or_else(|| de::Error::custom(format!("`{text}` is no mode such as \"0755\"")))
}

fn relations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Relation>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| relation(text))
        .collect::<Result<_, _>>()
        .map_err(de::Error::custom)
}

/// As in a `Depends` field, or as apt takes it: `name=version`.
fn relation(text: &str) -> Result<Relation, String> {
    let spelt = match text.split_once('=') {
        Some((name, version)) if !text.contains('(') => format!("{name} (= {version})"),
        _ => text.to_owned(),
    };
    spelt
        .parse()
        .map_err(|error: kiln_packages::deb::InvalidRelation| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            format!("{error}{}", source.unwrap_or_default())
        })
}

impl FromStr for Spec {
    type Err = InvalidSpec;

    fn from_str(text: &str) -> Result<Self, InvalidSpec> {
        let spec: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
            InvalidSpec {
                line,
                message: error.message().trim().to_owned(),
                text: text
                    .lines()
                    .nth(line - 1)
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            }
        })?;
        spec.check().map_err(|(about, message)| {
            let at = text.lines().position(|line| line.contains(&about));
            let line = at.map_or(1, |at| at + 1);
            InvalidSpec {
                line,
                message,
                text: text
                    .lines()
                    .nth(line - 1)
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            }
        })?;
        Ok(spec)
    }
}

impl Spec {
    /// Checks what types cannot say. An error is a text to find the line by, and what is wrong.
    fn check(&self) -> Result<(), (String, String)> {
        let fail = |about: &str, message: String| Err((about.to_owned(), message));
        if !(2..=MOST_LAYERS).contains(&self.max_layers) {
            return fail(
                "max-layers",
                format!("max-layers is from 2 to {MOST_LAYERS}"),
            );
        }
        let wants = [
            ("packages", !self.packages.is_empty()),
            ("priorities", !self.priorities.is_empty()),
            ("scripts", self.scripts == Scripts::Run),
        ];
        if let Some((key, _)) = wants.iter().find(|(_, wants)| *wants)
            && self.repositories.is_empty()
        {
            let message = "packages need a [[repository]] to come from";
            return fail(key, message.to_owned());
        }
        for repository in &self.repositories {
            check_repository(repository)?;
        }
        for user in &self.users {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if user.name.is_empty() || !user.name.bytes().all(is_plain) {
                return fail(&user.name, format!("`{}` is no user's name", user.name));
            }
            for text in [&user.home, &user.shell].into_iter().flatten() {
                if text.contains([':', '\n']) || !text.starts_with('/') {
                    return fail(text, format!("`{text}` is no absolute path for a user"));
                }
            }
        }
        for file in &self.files {
            check_file(file).map_err(|message| (file.path.clone(), message))?;
        }
        Ok(())
    }

    /// What the lock depends on: a change of it makes a lock stale, a change of the rest does not.
    #[must_use]
    pub fn request(&self, architectures: &[Architecture]) -> Digest {
        let mut text = String::from("kiln-assemble 1\n");
        let mut line = |key: &str, value: &dyn fmt::Display| {
            text.push_str(&format!("{key} {value}\n"));
        };
        for architecture in architectures {
            line("architecture", architecture);
        }
        for package in &self.packages {
            line("package", package);
        }
        for name in &self.assume {
            line("assume", name);
        }
        for priority in &self.priorities {
            line("priority", &priority.name());
        }
        if self.scripts == Scripts::Run {
            line("scripts", &"run");
        }
        for repository in &self.repositories {
            line("url", &repository.url);
            line("suites", &repository.suites.join(" "));
            line("components", &repository.components.join(" "));
        }
        Digest::sha256(text.as_bytes())
    }
}

fn check_repository(repository: &RepositorySpec) -> Result<(), (String, String)> {
    let url = &repository.url;
    let is_web = url.starts_with("http://") || url.starts_with("https://");
    if !is_web || !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains(['?', '#', '"'])
    {
        return Err((
            url.clone(),
            format!("`{url}` is no http:// or https:// address of a directory"),
        ));
    }
    let is_part = |part: &str| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+~".contains(&byte);
        !part.is_empty() && part != ".." && part.bytes().all(good)
    };
    let names = repository.suites.iter().chain(&repository.components);
    for name in names {
        if !name.split('/').all(is_part) {
            return Err((name.clone(), format!("`{name}` is no suite or component")));
        }
    }
    if repository.suites.is_empty() {
        return Err((
            url.clone(),
            "a repository needs at least one suite".to_owned(),
        ));
    }
    Ok(())
}

fn check_file(file: &FileSpec) -> Result<(), String> {
    let path = &file.path;
    let clean = clean_path(path.as_bytes()).map_err(|error| format!("`{path}`: {error}"))?;
    if !path.starts_with('/') || clean.is_empty() {
        return Err(format!("`{path}` is no absolute path of a file"));
    }
    let ways = [
        file.content.is_some(),
        file.source.is_some(),
        file.link.is_some(),
        file.directory,
    ];
    match ways.iter().filter(|way| **way).count() {
        1 => Ok(()),
        _ => Err(format!(
            "`{path}` needs one of `content`, `source`, `link` and `directory = true`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPOSITORY: &str = "[[repository]]\nurl = \"http://example.com/debian\"\nsuites = [\"stable\"]\nkeyring = \"k\"\n";

    fn parse(text: &str) -> Result<Spec, InvalidSpec> {
        format!("{text}\n{REPOSITORY}").parse()
    }

    #[test]
    fn packages_are_relations() {
        let spec = parse("packages = [\"libc6\", \"openssl (>= 3)\", \"zlib1g=1:1.2-1\"]").unwrap();
        let shown: Vec<_> = spec.packages.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["libc6", "openssl (>= 3)", "zlib1g (= 1:1.2-1)"]);
        assert_eq!(spec.repositories[0].components, ["main"]);
        assert!(spec.repositories[0].check_valid_until);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, words) in [
            ("\nmax-layer = 3", 2, "unknown field `max-layer`"),
            ("\n\nmax-layers = 1", 3, "max-layers is from 2"),
            (
                "architectures = [\"x86\"]",
                1,
                "not an architecture of Debian's: amd64",
            ),
            ("packages = [\"Foo\"]", 1, "no package name"),
            ("packages = [\"foo (>= -)\"]", 1, "not a Debian version"),
            ("scripts = \"walk\"", 1, "unknown variant `walk`"),
            ("priorities = [\"extra\"]", 1, "unknown variant `extra`"),
            ("drop = [\"all\"]", 1, "unknown variant `all`"),
            ("[[file]]\npath = \"/a/../b\"\ncontent = \"\"", 2, "`..`"),
            (
                "[[file]]\npath = \"a\"\ncontent = \"\"",
                2,
                "no absolute path",
            ),
            ("[[file]]\npath = \"/a\"", 2, "needs one of"),
            (
                "[[file]]\npath = \"/a\"\nlink = \"b\"\ndirectory = true",
                2,
                "needs one of",
            ),
            (
                "[[file]]\npath = \"/a\"\nlink = \"b\"\nmode = \"999\"",
                4,
                "no mode",
            ),
            ("[[user]]\nname = \"a:b\"\nuid = 1", 2, "no user's name"),
            (
                "[[user]]\nname = \"a\"\nuid = 1\nhome = \"x:y\"",
                4,
                "no absolute path",
            ),
            (
                "[[repository]]\nurl = \"ftp://x\"\nsuites = [\"a\"]\nkeyring = \"k\"",
                2,
                "no http://",
            ),
            (
                "[[repository]]\nurl = \"http://x\"\nsuites = [\"../a\"]\nkeyring = \"k\"",
                3,
                "no suite",
            ),
            (
                "[[repository]]\nurl = \"http://x\"\nsuites = []\nkeyring = \"k\"",
                2,
                "at least one suite",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.message.contains(words), "{error}");
        }
        for homeless in [
            "packages = [\"libc6\"]",
            "scripts = \"run\"",
            "priorities = [\"required\"]",
        ] {
            let homeless = homeless.parse::<Spec>().unwrap_err();
            assert!(homeless.message.contains("[[repository]]"));
        }
    }

    #[test]
    fn only_what_is_resolved_makes_a_lock_stale() {
        let amd64 = ["amd64".parse().unwrap()];
        let request = |text: &str| parse(text).unwrap().request(&amd64);
        let base = request("packages = [\"libc6\"]");
        assert_eq!(
            base,
            request("packages = [\"libc6\"]\ndrop = [\"man\"]\n[config]\nuser = \"0\"")
        );
        assert_ne!(base, request("packages = [\"libc6 (>= 2)\"]"));
        for more in [
            "assume = [\"awk\"]",
            "scripts = \"run\"",
            "priorities = [\"required\"]",
        ] {
            assert_ne!(base, request(&format!("packages = [\"libc6\"]\n{more}")));
        }
    }

    #[test]
    fn architectures_have_platforms() {
        let armhf: Architecture = "armhf".parse().unwrap();
        assert_eq!(armhf.platform(), "linux/arm/v7".parse().unwrap());
        assert_eq!(
            Architecture::of(&"linux/arm64".parse().unwrap())
                .unwrap()
                .debian(),
            "arm64"
        );
        assert_eq!(Architecture::of(&"windows/amd64".parse().unwrap()), None);
    }
}
