//! What can go from an image without anyone missing it, by kind.
//!
//! A rule only ever takes files, links and the like, never directories: some packages' scripts fail when
//! a directory that they expect is gone (OpenJDK's and `/usr/share/man/man1`), and empty directories cost
//! nothing.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use kiln_layer::Tree;

use super::RewriteError;

/// A kind of files that can go.
#[derive(Debug)]
pub struct Rule {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it takes, in a few words.
    pub what: &'static str,
    /// Whether it is on unless one says otherwise.
    pub is_default: bool,
    /// Patterns of paths that it takes. `*` stays within a directory, `**` does not.
    pub takes: &'static [&'static str],
    /// Patterns of paths that it leaves all the same.
    pub leaves: &'static [&'static str],
}

/// All rules.
pub const RULES: &[Rule] = &[
    Rule {
        name: "caches",
        what: "caches of package managers and language tools, temporary files",
        is_default: true,
        takes: &[
            "var/cache/{apk,apt,debconf,dnf,libdnf5,man,pacman/pkg,yum,zypp}/**",
            "var/lib/apt/lists/**",
            "var/lib/dpkg/*-old",
            "var/lib/{dnf,yum}/{history,yumdb}*/**",
            "{root,home/*}/.cache/**",
            "{root,home/*}/.npm/_cacache/**",
            "{root,home/*}/.cargo/registry/{cache,src}/**",
            "{root,home/*}/go/pkg/mod/cache/**",
            "{root,home/*}/.m2/repository/.cache/**",
            "{root,home/*}/.gem/specs/**",
            "usr/local/share/.cache/**",
            "tmp/**",
            "var/tmp/**",
        ],
        // Questions that were answered at installation; without them an upgrade asks again.
        leaves: &["var/cache/debconf/{config,passwords,templates}.dat"],
    },
    Rule {
        name: "logs",
        what: "logs of the installation",
        is_default: true,
        takes: &[
            "var/log/{alternatives,bootstrap,dpkg,dnf*,hawkey,yum,pacman}.log",
            "var/log/apt/**",
            "var/log/{lastlog,faillog,btmp,wtmp}",
            "var/log/**/*.{gz,xz,1,old}",
        ],
        leaves: &[],
    },
    Rule {
        name: "docs",
        what: "manuals, documentation and examples, but no licences",
        is_default: true,
        takes: &[
            "usr/{,local/}share/{doc,man,info,gtk-doc,doc-base,help,groff}/**",
            "usr/{,local/}man/**",
            "usr/share/{lintian,linda,bug,reportbug}/**",
        ],
        leaves: &[
            "usr/{,local/}share/doc/**/copyright",
            "usr/{,local/}share/doc/**/{LICEN[CS]E,COPYING,COPYRIGHT,NOTICE,AUTHORS}*",
        ],
    },
    Rule {
        name: "locales",
        what: "translations and locales of other languages than the image is set to",
        is_default: false,
        takes: &[
            "usr/share/locale/*/**",
            "usr/share/i18n/**",
            "usr/lib/locale/*/**",
        ],
        leaves: &["usr/share/locale/{C,en,en_US}*/**", "usr/lib/locale/C.*/**"],
    },
    Rule {
        name: "static",
        what: "static libraries, headers and what else only compilers read",
        is_default: false,
        takes: &[
            "{,usr/,usr/local/}lib{,32,64,x32}/**/*.{a,la,o,prl}",
            "usr/{,local/}include/**",
            "usr/{,local/}{lib,lib64,share}/**/pkgconfig/*.pc",
            "usr/{,local/}{lib,lib64,share}/**/cmake/**",
        ],
        // Python reads its own build settings when it starts.
        leaves: &["usr/{,local/}include/python*/pyconfig.h"],
    },
    Rule {
        name: "debug",
        what: "separate debug symbols",
        is_default: false,
        takes: &["usr/lib/debug/**", "**/*.debug"],
        leaves: &[],
    },
    Rule {
        name: "bytecode",
        what: "Python byte-code whose source is there, which Python makes again when it may write",
        is_default: false,
        takes: &["**/__pycache__/*.pyc", "**/*.{pyc,pyo}"],
        leaves: &[],
    },
];

/// Rules and patterns, ready to be asked.
#[derive(Debug)]
pub(super) struct Matcher {
    rules: Vec<(&'static Rule, GlobSet, GlobSet)>,
    drop: GlobSet,
    keep: GlobSet,
}

/// The directories above a path, the nearest first.
fn above(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors()
        .skip(1)
        .filter(|path| !path.as_os_str().is_empty())
}

/// What takes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taker {
    /// A pattern of the person's own.
    Pattern,
    /// The rule with this name.
    Rule(&'static str),
}

impl Matcher {
    /// From the names of rules, and patterns that add to them and overrule them.
    pub(super) fn new(
        rules: &[String],
        drop: &[String],
        keep: &[String],
    ) -> Result<Self, RewriteError> {
        let mut all = vec![];
        for name in rules {
            let rule = RULES.iter().find(|rule| rule.name == name);
            let rule = rule.ok_or_else(|| RewriteError::NoRule(name.clone()))?;
            let set = |patterns: &[&str]| patterns_of(patterns.iter().copied());
            all.push((rule, set(rule.takes)?, set(rule.leaves)?));
        }
        Ok(Self {
            rules: all,
            drop: patterns_of(drop.iter().map(String::as_str))?,
            keep: patterns_of(keep.iter().map(String::as_str))?,
        })
    }

    /// Whether a pattern keeps something below the directory at `path`.
    pub(super) fn keeps_below(&self, tree: &Tree, path: &[u8]) -> bool {
        let mut below = tree.walk(path);
        !self.keep.is_empty() && below.any(|(path, _)| self.keep.is_match(as_path(&path)))
    }

    /// What takes `path`. Only the person's own patterns take directories.
    pub(super) fn taker(&self, path: &[u8], is_directory: bool) -> Option<Taker> {
        let path = &*as_path(path);
        if self.keep.is_match(path) {
            return None;
        }
        // Whoever names a directory means what is in it, even if the directory itself must stay.
        let is_dropped = |path: &Path| self.drop.is_match(path);
        if !self.drop.is_empty() && (is_dropped(path) || above(path).any(is_dropped)) {
            return Some(Taker::Pattern);
        }
        let takes = |(_, takes, leaves): &&(&Rule, GlobSet, GlobSet)| {
            !is_directory && takes.is_match(path) && !leaves.is_match(path)
        };
        let (rule, ..) = self.rules.iter().find(takes)?;
        Some(Taker::Rule(rule.name))
    }
}

/// A path of a layer for patterns, which are text: bytes that are not UTF-8 match only `*` and the like.
pub(crate) fn as_path(path: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(path).into_owned())
}

/// A set of patterns; leading slashes do not matter.
pub(crate) fn patterns_of<'a>(
    patterns: impl IntoIterator<Item = &'a str>,
) -> Result<GlobSet, RewriteError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let failed = |source| RewriteError::Pattern {
            pattern: pattern.to_owned(),
            source,
        };
        let clean = pattern.trim_start_matches('/').trim_end_matches('/');
        let glob = GlobBuilder::new(clean)
            .literal_separator(true)
            .empty_alternates(true)
            .build();
        set.add(glob.map_err(failed)?);
    }
    set.build().map_err(|source| RewriteError::Pattern {
        pattern: String::new(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(rules: &[&str], drop: &[&str], keep: &[&str]) -> Matcher {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        Matcher::new(&owned(rules), &owned(drop), &owned(keep)).unwrap()
    }

    #[test]
    fn every_rule_has_good_patterns() {
        let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        let all = matcher(&names, &[], &[]);
        for (path, rule) in [
            ("var/cache/apt/pkgcache.bin", "caches"),
            ("var/lib/apt/lists/deb.example_dists_sid_main", "caches"),
            ("home/me/.cache/pip/http/a", "caches"),
            ("tmp/x", "caches"),
            ("var/log/dpkg.log", "logs"),
            ("usr/share/doc/bash/changelog.gz", "docs"),
            ("usr/local/share/man/man1/x.1", "docs"),
            ("usr/share/locale/de/LC_MESSAGES/bash.mo", "locales"),
            ("usr/lib/x86_64-linux-gnu/libc.a", "static"),
            ("usr/include/stdio.h", "static"),
            ("usr/lib/debug/.build-id/aa/bb.debug", "debug"),
            (
                "usr/lib/python3/dist-packages/__pycache__/six.cpython-313.pyc",
                "bytecode",
            ),
        ] {
            assert_eq!(
                all.taker(path.as_bytes(), false),
                Some(Taker::Rule(rule)),
                "{path}"
            );
            assert_eq!(all.taker(path.as_bytes(), true), None, "{path}");
        }
        for path in [
            "usr/share/doc/bash/copyright",
            "usr/share/common-licenses/GPL-3",
            "usr/share/locale/locale.alias",
            "usr/share/locale/en_US/LC_MESSAGES/a.mo",
            "var/lib/dpkg/status",
            "var/cache/debconf/config.dat",
            "usr/lib/locale/C.utf8/LC_CTYPE",
            "usr/bin/tmp",
            "etc/passwd",
        ] {
            assert_eq!(all.taker(path.as_bytes(), false), None, "{path}");
        }
    }

    #[test]
    fn own_patterns_take_whole_directories_and_keeping_wins() {
        let own = matcher(
            &["docs"],
            &["/opt/sdk/", "a/*.txt"],
            &["usr/share/doc/keep/**"],
        );
        assert_eq!(own.taker(b"opt/sdk", true), Some(Taker::Pattern));
        assert_eq!(own.taker(b"opt/sdk/bin/x", false), Some(Taker::Pattern));
        assert_eq!(own.taker(b"a/b.txt", false), Some(Taker::Pattern));
        assert_eq!(own.taker(b"a/b/c.txt", false), None);
        assert_eq!(own.taker(b"usr/share/doc/keep/x", false), None);
        assert!(matches!(
            Matcher::new(&["none".to_owned()], &[], &[]),
            Err(RewriteError::NoRule(_))
        ));
        assert!(patterns_of(["a{b"]).is_err());
    }
}
