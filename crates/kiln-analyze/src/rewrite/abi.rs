//! Whether what an image brought along still runs on another base.
//!
//! Two questions. Of programs: does every library that an own ELF file names exist on the new base, in
//! the versions of its symbols that the file was linked against (`DT_NEEDED`, `DT_VERNEED`)? That is what
//! the dynamic linker will ask. Of packages: which of those that carry an ABI (C library, language
//! runtimes, shared libraries) are gone or older there, and did the image's own layers write to the package
//! database, which would hide the new base's?

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;

use kiln_layer::{ContentAt, Node, Tree};
use kiln_packages::deb::{Status, Version};
use kiln_packages::elf::{Elf, is_elf};
use serde::Serialize;

use super::RewriteError;
use super::rebase::Trees;
use crate::content::{MAX_PROGRAM, begin, read, read_at};

/// The most bytes of a package database.
const MAX_DATABASE: u64 = 256 << 20;

/// Packages whose version is an ABI that others are built against, beside all that begin with `lib`.
const RUNTIMES: &[&str] = &[
    "erlang-base",
    "ghc",
    "mono-runtime",
    "musl",
    "nodejs",
    "ocaml-base",
    "openjdk-",
    "perl-base",
    "php",
    "python3",
    "ruby",
];

/// Where the package managers of the common distributions keep what is installed.
const DATABASES: &[&[u8]] = &[
    b"var/lib/dpkg/status",
    b"lib/apk/db/installed",
    b"usr/lib/apk/db/installed",
    b"var/lib/rpm/rpmdb.sqlite",
    b"usr/lib/sysimage/rpm/rpmdb.sqlite",
    b"var/lib/rpm/Packages.db",
    b"var/lib/rpm/Packages",
];

/// Something that speaks against another base, or that should be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AbiFinding {
    /// An own program needs a library that is not there.
    Library {
        /// The program's path.
        path: String,
        /// The library.
        library: String,
    },
    /// An own program needs a version of a library's symbols that the one there does not have.
    Symbols {
        /// The program's path.
        path: String,
        /// The library.
        library: String,
        /// The version, `GLIBC_2.38`.
        version: String,
    },
    /// The image's own layers changed the list of installed packages: it would hide the new base's.
    Database {
        /// The list's path.
        path: String,
    },
    /// A package with an ABI is gone or older.
    Package {
        /// Its name.
        name: String,
        /// Its version in the old base.
        old: String,
        /// Its version in the new base.
        new: Option<String>,
    },
    /// It is another distribution, or another release of it.
    Distribution {
        /// The old base's.
        old: String,
        /// The new base's.
        new: String,
    },
}

impl AbiFinding {
    /// Whether something will not work, as far as can be told.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        matches!(
            self,
            Self::Library { .. } | Self::Symbols { .. } | Self::Database { .. }
        )
    }
}

impl fmt::Display for AbiFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library { path, library } => {
                write!(
                    f,
                    "`/{path}` needs {library}, which the new base does not have"
                )
            }
            Self::Symbols {
                path,
                library,
                version,
            } => write!(
                f,
                "`/{path}` needs {version} of {library}, which the new base's does not have"
            ),
            Self::Database { path } => write!(
                f,
                "the image's own layers changed `/{path}`: it would hide the packages of the new base"
            ),
            Self::Package { name, old, new } => match new {
                Some(new) => write!(f, "{name} is {new} in the new base, older than {old}"),
                None => write!(f, "{name} ({old}) is not in the new base"),
            },
            Self::Distribution { old, new } => write!(f, "the base was {old} and becomes {new}"),
        }
    }
}

/// Asks all questions.
pub(super) fn check(
    trees: &Trees,
    content: &dyn ContentAt,
) -> Result<Vec<AbiFinding>, RewriteError> {
    let mut findings = vec![];
    let own = own_files(trees);
    for path in DATABASES {
        if own.iter().any(|(own, _)| own == path) {
            let path = String::from_utf8_lossy(path).into_owned();
            findings.push(AbiFinding::Database { path });
        }
    }
    programs(trees, &own, content, &mut findings)?;
    packages(trees, content, &mut findings)?;
    let (old, new) = (release(&trees.old_base), release(&trees.new_base));
    if let (Some(old), Some(new)) = (old, new)
        && old != new
    {
        findings.push(AbiFinding::Distribution { old, new });
    }
    Ok(findings)
}

/// Files that the image's own layers brought, with their paths.
fn own_files(trees: &Trees) -> Vec<(Vec<u8>, Node<'_>)> {
    let base_layers = trees.new_base.layers().len();
    let is_own = |node: &Node<'_>| {
        let layer = node.inode().layer();
        !node.is_directory() && layer.is_some_and(|layer| layer >= base_layers)
    };
    let files = trees.new.walk(b"");
    files.filter(|(_, node)| is_own(node)).collect()
}

/// Libraries of the new image by file name. The dynamic linker looks into fewer directories; a library that
/// lies elsewhere may be found through a path in the file, so existence anywhere counts.
struct Libraries<'a> {
    paths: HashMap<Vec<u8>, Vec<u8>>,
    tree: &'a Tree,
    content: &'a dyn ContentAt,
    /// The versions that they provide, once looked at.
    versions: BTreeMap<Vec<u8>, Option<BTreeSet<String>>>,
}

impl<'a> Libraries<'a> {
    fn of(tree: &'a Tree, content: &'a dyn ContentAt) -> Self {
        let mut paths = HashMap::new();
        for (path, node) in tree.walk(b"") {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let is_library = name.windows(3).any(|part| part == b".so");
            if !node.is_directory() && is_library {
                paths.entry(name.to_vec()).or_insert(path);
            }
        }
        Self {
            paths,
            tree,
            content,
            versions: BTreeMap::new(),
        }
    }

    /// Whether the library provides a version; true if that cannot be told.
    fn provides(&mut self, path: &[u8], version: &str) -> io::Result<bool> {
        if !self.versions.contains_key(path) {
            let bytes = read_at(self.content, self.tree, path, MAX_PROGRAM)?;
            let elf = bytes.and_then(|bytes| Elf::parse(&bytes).ok());
            let versions = elf.map(|elf| elf.version_definitions.into_iter().collect());
            self.versions.insert(path.to_vec(), versions);
        }
        let known = self.versions.get(path).and_then(Option::as_ref);
        Ok(known.is_none_or(|versions| versions.is_empty() || versions.contains(version)))
    }
}

fn programs(
    trees: &Trees,
    own: &[(Vec<u8>, Node<'_>)],
    content: &dyn ContentAt,
    findings: &mut Vec<AbiFinding>,
) -> Result<(), RewriteError> {
    let mut libraries = Libraries::of(&trees.new, content);
    for (path, node) in own {
        let unreadable = |source| RewriteError::Content {
            path: String::from_utf8_lossy(path).into_owned(),
            source,
        };
        if !is_elf(&begin(content, *node, 4).map_err(unreadable)?) {
            continue;
        }
        let bytes = read(content, *node, MAX_PROGRAM).map_err(unreadable)?;
        // Whatever is no proper ELF file does not run anywhere.
        let Some(elf) = bytes.and_then(|bytes| Elf::parse(&bytes).ok()) else {
            continue;
        };
        let shown = String::from_utf8_lossy(path).into_owned();
        for library in &elf.needed {
            let name = library.rsplit('/').next().unwrap_or(library);
            let Some(found) = libraries.paths.get(name.as_bytes()).cloned() else {
                findings.push(AbiFinding::Library {
                    path: shown.clone(),
                    library: library.clone(),
                });
                continue;
            };
            let needs = elf.version_needs.iter().filter(|(file, _)| file == library);
            for version in needs.flat_map(|(_, versions)| versions) {
                if !libraries.provides(&found, version).map_err(unreadable)? {
                    findings.push(AbiFinding::Symbols {
                        path: shown.clone(),
                        library: library.clone(),
                        version: version.clone(),
                    });
                }
            }
        }
    }
    Ok(())
}

fn packages(
    trees: &Trees,
    content: &dyn ContentAt,
    findings: &mut Vec<AbiFinding>,
) -> Result<(), RewriteError> {
    let old = installed(&trees.old_base, content)?;
    let new = installed(&trees.new_base, content)?;
    if old.is_empty() || new.is_empty() {
        // Not Debian's, or none at all: the distributions are compared.
        return Ok(());
    }
    for (name, version) in old {
        let has_abi = name.starts_with("lib") || RUNTIMES.iter().any(|own| name.starts_with(own));
        let now = new.get(&name);
        if has_abi && now.is_none_or(|now| *now < version) {
            findings.push(AbiFinding::Package {
                name,
                old: version.to_string(),
                new: now.map(ToString::to_string),
            });
        }
    }
    Ok(())
}

/// The installed packages of a Debian.
fn installed(
    tree: &Tree,
    content: &dyn ContentAt,
) -> Result<BTreeMap<String, Version>, RewriteError> {
    let mut paths = vec![b"var/lib/dpkg/status".to_vec()];
    let folder = b"var/lib/dpkg/status.d";
    paths.extend(
        tree.children(folder)
            .map(|(name, _)| [&folder[..], b"/", name].concat()),
    );
    let mut installed = BTreeMap::new();
    for path in paths
        .into_iter()
        .filter(|path| !path.ends_with(b".md5sums"))
    {
        let text = read_at(content, tree, &path, MAX_DATABASE);
        let text = text.map_err(|source| RewriteError::Content {
            path: String::from_utf8_lossy(&path).into_owned(),
            source,
        })?;
        // One that cannot be read says nothing.
        let statuses = text
            .and_then(|text| Status::parse(&text).ok())
            .unwrap_or_default();
        for status in statuses.into_iter().filter(Status::has_files) {
            installed.insert(status.package.name, status.package.version);
        }
    }
    Ok(installed)
}

/// What `os-release` says: `debian 13`.
fn release(tree: &Tree) -> Option<String> {
    let text = tree
        .kept(b"etc/os-release")
        .or_else(|| tree.kept(b"usr/lib/os-release"))?;
    let text = String::from_utf8_lossy(text);
    let value = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let (_, value) = lines.find(|(name, _)| *name == wanted)?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    };
    let id = value("ID")?;
    Some(match value("VERSION_ID") {
        Some(version) => format!("{id} {version}"),
        None => id,
    })
}
