//! Where the dynamic linker looks for a library.
//!
//! Sources: `ld.so(8)`, `ldconfig(8)`; for musl the section "Dynamic linker" of its reference manual.

use std::io;

use kiln_layer::entry::{join_path, split_path};
use kiln_layer::{ContentAt, Tree};
use kiln_packages::elf::Elf;

use super::closure::with_origin;
use crate::content::read_at;

/// Where libraries are unless something else is said, with what lies below for each architecture.
const DEFAULT: &[&[u8]] = &[
    b"usr/local/lib",
    b"lib64",
    b"usr/lib64",
    b"lib",
    b"usr/lib",
    b"lib32",
    b"usr/lib32",
];

/// The most bytes of one settings file.
const MAX_SETTINGS: u64 = 1 << 20;

/// The directories that every program's libraries are looked for in.
#[derive(Debug, Default)]
pub(super) struct SearchPath {
    /// From the environment.
    before: Vec<Vec<u8>>,
    /// From settings, and the defaults.
    after: Vec<Vec<u8>>,
}

impl SearchPath {
    /// What the image says.
    pub(super) fn of(
        tree: &Tree,
        content: &dyn ContentAt,
        variable: Option<&String>,
    ) -> io::Result<Self> {
        let mut search = Self::default();
        if let Some(variable) = variable {
            search.before.extend(folders(variable.as_bytes()));
        }
        let mut files = vec![b"etc/ld.so.conf".to_vec()];
        let parts = tree.children(b"etc/ld.so.conf.d");
        files.extend(parts.map(|(name, _)| join_path(b"etc/ld.so.conf.d", name)));
        let of_musl = tree.children(b"etc").map(|(name, _)| name);
        let of_musl =
            of_musl.filter(|name| name.starts_with(b"ld-musl-") && name.ends_with(b".path"));
        files.extend(of_musl.map(|name| join_path(b"etc", name)));
        for file in files {
            if let Some(text) = read_at(content, tree, &file, MAX_SETTINGS)? {
                search.after.extend(folders(&text));
            }
        }
        for folder in DEFAULT {
            search.after.push(folder.to_vec());
            let Ok(found) = tree.resolve(folder, true) else {
                continue;
            };
            let below = tree
                .children(&found.path)
                .filter(|(_, node)| node.is_directory());
            let below = below.filter(|(name, _)| is_architecture(name));
            search
                .after
                .extend(below.map(|(name, _)| join_path(folder, name)));
        }
        Ok(search)
    }

    /// The first place of the library `name` that fits the file `elf` at `path`, and its variants for newer
    /// processors, which the dynamic linker prefers where it can. `rpath` is what those that load the file
    /// said.
    pub(super) fn places(
        &self,
        tree: &Tree,
        name: &str,
        path: &[u8],
        elf: &Elf,
        rpath: &[String],
    ) -> Vec<Vec<u8>> {
        let is_file = |path: &[u8]| {
            let found = tree.resolve(path, true).ok().and_then(|found| found.node);
            found.is_some_and(|node| node.content().is_some())
        };
        if name.contains('/') {
            let place = name.as_bytes().to_vec();
            return if is_file(&place) { vec![place] } else { vec![] };
        }
        let origin = split_path(path).map_or(&b""[..], |(parent, _)| parent);
        let own = elf.runpath.iter().map(|folder| with_origin(folder, origin));
        let said = rpath.iter().cloned().chain(own).map(String::into_bytes);
        let all = said
            .map(|folder| clean(&folder))
            .chain(self.before.iter().cloned())
            .chain(self.after.iter().cloned());
        let mut places = vec![];
        for folder in all {
            let place = join_path(&folder, name.as_bytes());
            let variants = join_path(&folder, b"glibc-hwcaps");
            for (level, _) in tree.children(&variants) {
                let variant = join_path(&join_path(&variants, level), name.as_bytes());
                if is_file(&variant) {
                    places.push(variant);
                }
            }
            if is_file(&place) && fits(&place, elf) {
                places.push(place);
                break;
            }
        }
        places
    }
}

/// A library for another processor is passed over. Only multi-architecture images have such, in directories
/// that say so.
fn fits(place: &[u8], elf: &Elf) -> bool {
    let has = |word: &[u8]| place.windows(word.len()).any(|part| part == word);
    match (elf.machine, elf.is_64) {
        // x86-64 and i386 share many an image.
        (62, true) => !has(b"i386-linux-gnu/") && !has(b"lib32/") && !has(b"libx32/"),
        (3, _) => !has(b"x86_64-linux-gnu/") && !has(b"lib64/"),
        _ => true,
    }
}

fn is_architecture(name: &[u8]) -> bool {
    let has = |word: &[u8]| name.windows(word.len()).any(|part| part == word);
    has(b"-linux-gnu") || has(b"-linux-musl")
}

/// The absolute directories in a list with lines, colons or commas, relative to the root.
fn folders(text: &[u8]) -> Vec<Vec<u8>> {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b":,;".contains(byte);
    let lines = text.split(|byte| *byte == b'\n');
    let plain = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default());
    let words = plain.flat_map(|line| line.split(is_end).collect::<Vec<_>>());
    words
        .filter(|word| word.starts_with(b"/"))
        .map(clean)
        .collect()
}

/// An absolute path as paths of a tree are.
fn clean(path: &[u8]) -> Vec<u8> {
    let names = path.split(|byte| *byte == b'/');
    let names: Vec<&[u8]> = names.filter(|name| !matches!(*name, b"" | b".")).collect();
    names.join(&b'/')
}
