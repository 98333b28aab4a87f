//! dpkg's database as it is when packages are unpacked and nothing is configured yet.
//!
//! Sources: `dpkg(1)` "Files", `deb-triggers(5)`, `dpkg-trigger(1)`, and what dpkg 1.21 to 1.23 write there:
//! `status`, and `info/NAME.KIND` for each package, with the architecture in the name where several may be
//! installed side by side (`Multi-Arch: same`).

use std::collections::{BTreeMap, BTreeSet};

use kiln_packages::deb::{MultiArch, Package, Relation};

use super::package::{Contents, Unpacked};

/// A file of the database: path, mode, content.
pub(super) type DatabaseFile = (Vec<u8>, u32, Vec<u8>);

/// Directories that dpkg expects.
pub(super) const DIRECTORIES: &[&str] = &["alternatives", "info", "parts", "triggers", "updates"];

/// Where all of it is.
pub(super) const ROOT: &str = "var/lib/dpkg";

/// The files of the database for packages that were unpacked.
pub(super) fn files(packages: &[(&Contents, &Unpacked)]) -> Vec<DatabaseFile> {
    let mut files: Vec<DatabaseFile> = vec![];
    let mut put = |name: &str, mode: u32, bytes: Vec<u8>| {
        files.push((format!("{ROOT}/{name}").into_bytes(), mode, bytes));
    };
    let mut status = vec![];
    let mut triggers: BTreeMap<String, String> = BTreeMap::new();
    for (contents, unpacked) in packages {
        let stem = stem(&contents.package);
        status.extend(stanza(contents, unpacked));
        put(&format!("info/{stem}.list"), 0o644, list(unpacked));
        for (name, file) in &unpacked.control {
            let name = String::from_utf8_lossy(name);
            if name != "control" {
                let mode = 0o644 | (file.mode & 0o111);
                put(&format!("info/{stem}.{name}"), mode, file.bytes.clone());
            }
            if name == "triggers" {
                interests(&contents.package, &file.bytes, &mut triggers);
            }
        }
    }
    put("status", 0o644, status);
    put("info/format", 0o644, b"1\n".to_vec());
    for name in [
        "available",
        "diversions",
        "statoverride",
        "triggers/Unincorp",
    ] {
        put(name, 0o644, vec![]);
    }
    for (name, text) in triggers {
        put(&format!("triggers/{name}"), 0o644, text.into_bytes());
    }
    files
}

/// How the files of a package are called.
pub(super) fn stem(package: &Package) -> String {
    match package.multi_arch {
        MultiArch::Same => format!("{}:{}", package.name, package.architecture),
        _ => package.name.clone(),
    }
}

/// The entry in `status`. With the digests of its configuration files in it, dpkg takes these for installed,
/// which they are: they stand where they belong, not beside it.
fn stanza(contents: &Contents, unpacked: &Unpacked) -> Vec<u8> {
    let mut text = vec![];
    for (name, value) in contents.package.stanza.fields() {
        text.extend(format!("{name}: {value}\n").bytes());
        if name.eq_ignore_ascii_case("Package") {
            text.extend(b"Status: install ok unpacked\n");
        }
    }
    if !unpacked.conffiles.is_empty() {
        text.extend(b"Conffiles:\n");
        for (path, md5) in &unpacked.conffiles {
            text.extend([b" /", &path[..], b" ", md5.as_bytes(), b"\n"].concat());
        }
    }
    text.push(b'\n');
    text
}

fn list(unpacked: &Unpacked) -> Vec<u8> {
    let mut text = vec![];
    for path in &unpacked.list {
        text.push(b'/');
        text.extend(if path.is_empty() { b"." } else { &path[..] });
        text.push(b'\n');
    }
    text
}

/// Takes down what a package's file `triggers` says that it waits for: paths all in one file, other names in
/// one each.
fn interests(package: &Package, text: &[u8], triggers: &mut BTreeMap<String, String>) {
    let text = String::from_utf8_lossy(text);
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(directive), Some(name)) = (words.next(), words.next()) else {
            continue;
        };
        let suffix = match directive {
            "interest" | "interest-await" => "",
            "interest-noawait" => "/noawait",
            _ => continue,
        };
        let who = format!("{}{suffix}", stem(package));
        let is_name = |name: &str| !name.contains('/') && !name.starts_with('.');
        if name.starts_with('/') {
            let list = triggers.entry("File".to_owned()).or_default();
            list.push_str(&format!("{name} {who}\n"));
        } else if is_name(name) {
            let list = triggers.entry(name.to_owned()).or_default();
            list.push_str(&format!("{who}\n"));
        }
    }
}

/// The names of packages that others count on without saying so (`Essential`), and of what these need: they
/// are configured before the scripts of any other run.
pub(super) fn first(packages: &[&Package]) -> BTreeSet<String> {
    let mut first = BTreeSet::new();
    let mut next: Vec<&Package> = packages
        .iter()
        .copied()
        .filter(|one| one.essential)
        .collect();
    while let Some(package) = next.pop() {
        if !first.insert(package.name.clone()) {
            continue;
        }
        for field in ["Pre-Depends", "Depends"] {
            // Whoever cannot be read was refused before.
            let Ok(relations) = package.relations(field) else {
                continue;
            };
            let wanted = relations.0.iter().flat_map(|alternatives| &alternatives.0);
            for relation in wanted {
                next.extend(
                    packages
                        .iter()
                        .copied()
                        .filter(|one| satisfies(one, relation)),
                );
            }
        }
    }
    first
}

/// Whether a package is, or provides, what a relation names.
fn satisfies(package: &Package, relation: &Relation) -> bool {
    let provided = || {
        let provides = package.relations("Provides").unwrap_or_default();
        let mut all = provides
            .0
            .into_iter()
            .flat_map(|alternatives| alternatives.0);
        all.any(|provided| provided.name == relation.name)
    };
    package.name == relation.name || provided()
}

#[cfg(test)]
mod tests {
    use kiln_packages::deb::Stanza;

    use super::super::package::ControlFile;
    use super::*;

    fn package(text: &str) -> Package {
        let text = format!("Version: 1\nArchitecture: amd64\n{text}");
        Package::new(Stanza::parse(text.as_bytes()).unwrap()).unwrap()
    }

    fn text(files: &[DatabaseFile], name: &str) -> String {
        let path = format!("{ROOT}/{name}").into_bytes();
        let (_, _, bytes) = files.iter().find(|file| file.0 == path).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    #[test]
    fn the_database_says_that_packages_are_unpacked() {
        let control = [
            ("control", 0o644, "not written"),
            ("postinst", 0o755, "#!/bin/sh\n"),
            (
                "triggers",
                0o644,
                "# a comment\ninterest-noawait ldconfig\ninterest /usr/share/x\nactivate y\n\
                 interest ../../evil\n",
            ),
        ];
        let control = control.map(|(name, mode, text)| {
            let bytes = text.as_bytes().to_vec();
            (name.as_bytes().to_vec(), ControlFile { mode, bytes })
        });
        let unpacked = Unpacked {
            control: control.into_iter().collect(),
            list: vec![vec![], b"etc".to_vec(), b"etc/x".to_vec()],
            conffiles: vec![(
                b"etc/x".to_vec(),
                "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            )],
        };
        let contents = Contents::of(package(
            "Package: libx\nMulti-Arch: same\nDescription: a\n b\n",
        ));
        let files = files(&[(&contents, &unpacked)]);
        assert_eq!(text(&files, "info/libx:amd64.list"), "/.\n/etc\n/etc/x\n");
        let status = text(&files, "status");
        assert!(
            status.contains("Package: libx\nStatus: install ok unpacked\n"),
            "{status}"
        );
        assert!(
            status.ends_with(
                "Description: a\n b\nConffiles:\n /etc/x d41d8cd98f00b204e9800998ecf8427e\n\n"
            ),
            "{status}"
        );
        assert_eq!(text(&files, "triggers/File"), "/usr/share/x libx:amd64\n");
        assert_eq!(text(&files, "triggers/ldconfig"), "libx:amd64/noawait\n");
        let names: Vec<_> = files
            .iter()
            .map(|file| String::from_utf8_lossy(&file.0))
            .collect();
        assert!(
            !names
                .iter()
                .any(|name| name.contains("evil") || name.ends_with(".control"))
        );
        let script = files
            .iter()
            .find(|file| file.0.ends_with(b".postinst"))
            .unwrap();
        assert_eq!(script.1, 0o755);
    }

    #[test]
    fn what_is_essential_comes_first_with_what_it_needs() {
        let all = [
            package("Package: dpkg\nEssential: yes\nPre-Depends: libc6 | other, tool"),
            package("Package: libc6\nDepends: libgcc"),
            package("Package: libgcc"),
            package("Package: busybox\nProvides: tool (= 1)"),
            package("Package: app\nDepends: libc6"),
        ];
        let all: Vec<&Package> = all.iter().collect();
        let names: Vec<_> = first(&all).into_iter().collect();
        assert_eq!(names, ["busybox", "dpkg", "libc6", "libgcc"]);
    }
}
