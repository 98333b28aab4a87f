//! Which package a file belongs to.
//!
//! Sources: `dpkg-query(1)`, files of `/var/lib/dpkg/info`; the page "Apk spec" of Alpine's wiki for its
//! database, in which `P:` begins a package, `F:` a directory and `R:` a file in it.

use std::collections::HashMap;
use std::io;

use kiln_layer::{ContentAt, Tree};

use crate::content::{read, read_at};

const MAX_LIST: u64 = 64 << 20;

/// Paths to names of packages.
#[derive(Debug, Default)]
pub(super) struct Owners {
    names: Vec<String>,
    by_path: HashMap<Vec<u8>, u32>,
}

impl Owners {
    /// What the package databases of an image say.
    pub(super) fn of(tree: &Tree, content: &dyn ContentAt) -> io::Result<Self> {
        let mut owners = Self::default();
        for (name, node) in tree.children(b"var/lib/dpkg/info") {
            let Some(name) = name.strip_suffix(b".list") else {
                continue;
            };
            let Some(text) = read(content, node, MAX_LIST)? else {
                continue;
            };
            let package = name.split(|byte| *byte == b':').next().unwrap_or(name);
            owners.begin(package);
            for line in text.split(|byte| *byte == b'\n') {
                owners.add(tree, line);
            }
        }
        for path in [&b"lib/apk/db/installed"[..], b"usr/lib/apk/db/installed"] {
            if let Some(text) = read_at(content, tree, path, MAX_LIST)? {
                owners.read_apk(tree, &text);
            }
        }
        Ok(owners)
    }

    fn read_apk(&mut self, tree: &Tree, text: &[u8]) {
        let mut folder: &[u8] = b"";
        for line in text.split(|byte| *byte == b'\n') {
            match line {
                [b'P', b':', name @ ..] => self.begin(name),
                [b'F', b':', path @ ..] => folder = path,
                [b'R', b':', name @ ..] => self.add(tree, &[folder, b"/", name].concat()),
                _ => {}
            }
        }
    }

    fn begin(&mut self, package: &[u8]) {
        self.names
            .push(String::from_utf8_lossy(package).into_owned());
    }

    /// Lists name paths as they were packed; the tree may have moved directories (`/lib` to `/usr/lib`).
    fn add(&mut self, tree: &Tree, path: &[u8]) {
        let Ok(found) = tree.resolve(path, false) else {
            return;
        };
        let is_shared = found.node.is_none_or(kiln_layer::Node::is_directory);
        let Some(number) = self.names.len().checked_sub(1).filter(|_| !is_shared) else {
            return;
        };
        self.by_path
            .insert(found.path, u32::try_from(number).unwrap_or(u32::MAX));
    }

    /// The package of the file at `path`.
    pub(super) fn owner(&self, path: &[u8]) -> Option<&str> {
        let number = self.by_path.get(path)?;
        self.names.get(*number as usize).map(String::as_str)
    }

    /// All files and the packages that they belong to.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &str)> {
        let name = |number: &u32| self.names.get(*number as usize).map(String::as_str);
        self.by_path
            .iter()
            .filter_map(move |(path, number)| Some((&path[..], name(number)?)))
    }
}
