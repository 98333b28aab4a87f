//! The packages of two images, from the databases of dpkg and apk.
//!
//! Sources: `dpkg-query(1)` for `/var/lib/dpkg/status` and `status.d`; the wiki of Alpine Linux, "Apk spec",
//! "Installed Database V2", for `/lib/apk/db/installed`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use kiln_layer::{ContentAt, Node, Tree};
use kiln_packages::deb::Status;
use serde::Serialize;

/// The largest database that is read, in bytes.
const MAX_DATABASE: u64 = 256 << 20;

/// Where databases of formats lie that are not read here.
const UNREAD: &[&str] = &[
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
];

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// `deb` or `apk`.
    pub format: &'static str,
    /// Its name, and behind a colon the architecture if several can be there.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A package that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// `deb` or `apk`.
    pub format: &'static str,
    /// Its name.
    pub name: String,
    /// Its version in the first image, if it is there.
    pub before: Option<String>,
    /// Its version in the second image, if it is there.
    pub after: Option<String>,
}

/// A database that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackagesError {
    /// Its bytes cannot be had.
    #[error("cannot read `/{path}` of the image")]
    Read {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too large to be one.
    #[error("`/{path}` of the image has {bytes} bytes; no package database is that large")]
    TooLarge {
        /// Where.
        path: String,
        /// How large.
        bytes: u64,
    },
    /// It is damaged.
    #[error("`/{path}` of the image is damaged")]
    Damaged {
        /// Where.
        path: String,
        /// How.
        #[source]
        source: Box<kiln_packages::deb::InvalidStatus>,
    },
}

/// A database in a tree.
struct Database<'a> {
    format: &'static str,
    path: String,
    node: Node<'a>,
}

/// The packages that differ, by name, and the databases that cannot be read. Databases that are the same are not
/// opened.
pub(super) fn compare(
    before: (&Tree, &dyn ContentAt),
    after: (&Tree, &dyn ContentAt),
) -> Result<(Vec<PackageChange>, Vec<String>), PackagesError> {
    let (old, new) = (databases(before.0), databases(after.0));
    let contents = |list: &[Database<'_>]| -> BTreeSet<(&'static str, Option<kiln_oci::Digest>)> {
        let contents = list.iter();
        let contents = contents.map(|database| (database.format, database.node.content().copied()));
        contents.collect()
    };
    let mut changes = vec![];
    if contents(&old) != contents(&new) {
        let (old, new) = (read_all(&old, before.1)?, read_all(&new, after.1)?);
        let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let (before, after) = (old.get(key), new.get(key));
            if before != after {
                changes.push(PackageChange {
                    format: key.1,
                    name: key.0.clone(),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        }
    }
    let is_there = |path: &&&str| {
        [before.0, after.0]
            .iter()
            .any(|tree| tree.get(path.as_bytes()).is_some())
    };
    let unread = UNREAD
        .iter()
        .filter(is_there)
        .map(|path| format!("/{path}"));
    Ok((changes, unread.collect()))
}

/// All packages of an image.
///
/// # Errors
/// If a database cannot be read.
pub fn installed(tree: &Tree, content: &dyn ContentAt) -> Result<Vec<Package>, PackagesError> {
    let all = read_all(&databases(tree), content)?;
    let packages = all.into_iter().map(|((name, format), version)| Package {
        format,
        name,
        version,
    });
    Ok(packages.collect())
}

fn databases(tree: &Tree) -> Vec<Database<'_>> {
    let mut found = vec![];
    let mut add = |format, path: String| {
        let resolved = tree.resolve(path.as_bytes(), true);
        let node = resolved.ok().and_then(|resolved| resolved.node);
        if let Some(node) = node.filter(|node| node.content().is_some()) {
            found.push(Database { format, path, node });
        }
    };
    add("deb", "var/lib/dpkg/status".to_owned());
    for (name, _) in tree.children(b"var/lib/dpkg/status.d") {
        let name = String::from_utf8_lossy(name);
        // Images without dpkg keep the sums of a package's files beside it.
        if !name.ends_with(".md5sums") {
            add("deb", format!("var/lib/dpkg/status.d/{name}"));
        }
    }
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        let is_other_name = path.starts_with("usr") && tree.get(b"lib/apk/db/installed").is_none();
        if !path.starts_with("usr") || is_other_name && tree.get(b"lib/apk").is_none() {
            add("apk", path.to_owned());
        }
    }
    found
}

type Versions = BTreeMap<(String, &'static str), String>;

fn read_all(
    databases: &[Database<'_>],
    content: &dyn ContentAt,
) -> Result<Versions, PackagesError> {
    let mut versions = Versions::new();
    for database in databases {
        let bytes = read(database, content)?;
        match database.format {
            "deb" => {
                let all = Status::parse(&bytes).map_err(|source| PackagesError::Damaged {
                    path: database.path.clone(),
                    source: Box::new(source),
                })?;
                for status in all.into_iter().filter(Status::has_files) {
                    let package = status.package;
                    let name = format!("{}:{}", package.name, package.architecture);
                    versions.insert((name, "deb"), package.version.to_string());
                }
            }
            _ => apk(&bytes, &mut versions),
        }
    }
    Ok(versions)
}

fn read(database: &Database<'_>, content: &dyn ContentAt) -> Result<Vec<u8>, PackagesError> {
    let path = || database.path.clone();
    let indexed = database.node.indexed();
    if indexed.size() > MAX_DATABASE {
        return Err(PackagesError::TooLarge {
            path: path(),
            bytes: indexed.size(),
        });
    }
    let layer = database
        .node
        .diff_id()
        .expect("because only layers have files");
    let mut bytes = vec![];
    content
        .open_at(layer, indexed)
        .and_then(|mut opened| opened.read_to_end(&mut bytes))
        .map_err(|source| PackagesError::Read {
            path: path(),
            source,
        })?;
    Ok(bytes)
}

/// Reads apk's database: lines of a letter, a colon and a value; an empty line ends a package.
fn apk(bytes: &[u8], versions: &mut Versions) {
    let text = String::from_utf8_lossy(bytes);
    let (mut name, mut version) = (None, None);
    for line in text.lines().chain([""]) {
        match line.split_once(':') {
            Some(("P", value)) => name = Some(value.to_owned()),
            Some(("V", value)) => version = Some(value.to_owned()),
            _ if line.is_empty() => {
                if let (Some(name), Some(version)) = (name.take(), version.take()) {
                    versions.insert((name, "apk"), version);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_apk_is_read() {
        let mut versions = Versions::new();
        let text =
            b"C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:libc.so\n\nP:busybox\nV:1.37.0-r9\n";
        apk(text, &mut versions);
        let all: Vec<_> = versions
            .iter()
            .map(|((name, _), version)| (&**name, &**version))
            .collect();
        assert_eq!(all, [("busybox", "1.37.0-r9"), ("musl", "1.2.5-r0")]);
    }
}
