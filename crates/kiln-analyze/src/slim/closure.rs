//! What stays: paths with the reason why, and everything that they lead to.
//!
//! A path is kept with the links on the way to it, for a process follows them too. What is kept is looked
//! into, once: programs lead to their dynamic linker and libraries, scripts to their interpreter and to the
//! programs and files that their text names. Guesses err on the side of keeping.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use kiln_layer::entry::{join_path, split_path};
use kiln_layer::{ContentAt, Kind, Node, Tree};
use kiln_packages::elf::{Elf, is_elf, library_names};

use super::libraries::SearchPath;
use crate::content::{MAX_PROGRAM, begin, read};

/// The most links that are followed on the way to one path, as in Linux.
const MAX_LINKS: usize = 40;

/// Scripts and settings larger than this are not searched for paths.
const MAX_TEXT: u64 = 1 << 20;

/// Directories of the system. Naming one does not mean all that is in it.
const SYSTEM: &[&[u8]] = &[
    b"",
    b"bin",
    b"boot",
    b"dev",
    b"etc",
    b"home",
    b"lib",
    b"lib32",
    b"lib64",
    b"media",
    b"mnt",
    b"opt",
    b"proc",
    b"root",
    b"run",
    b"sbin",
    b"srv",
    b"sys",
    b"tmp",
    b"usr",
    b"usr/bin",
    b"usr/lib",
    b"usr/lib32",
    b"usr/lib64",
    b"usr/libexec",
    b"usr/local",
    b"usr/local/bin",
    b"usr/local/lib",
    b"usr/local/sbin",
    b"usr/local/share",
    b"usr/sbin",
    b"usr/share",
    b"usr/share/doc",
    b"usr/share/man",
    b"usr/src",
    b"var",
    b"var/cache",
    b"var/lib",
    b"var/lib/apt",
    b"var/lib/dpkg",
    b"var/log",
    b"var/tmp",
    b"var/spool",
    b"etc/init.d",
    b"etc/default",
];

/// What a program called that shows which data it will ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trait {
    /// `iconv_open`: character sets.
    Iconv,
    /// `pam_start`: authentication modules.
    Pam,
    /// libcrypto: providers and engines.
    OpenSsl,
    /// The C library of GNU: name services.
    Glibc,
    /// libtinfo: descriptions of terminals.
    Terminal,
}

/// What stays, in the making.
pub(super) struct Closure<'a> {
    pub(super) tree: &'a Tree,
    pub(super) content: &'a dyn ContentAt,
    search: SearchPath,
    /// Directories in which programs are looked for.
    path: Vec<Vec<u8>>,
    /// Paths that stay, and why. Directories above them are not listed.
    pub(super) kept: BTreeMap<Vec<u8>, String>,
    /// Files that were not looked into yet, with the directories that their loader looks into first.
    pending: Vec<(Vec<u8>, Vec<String>)>,
    pub(super) traits: BTreeSet<Trait>,
    /// Programs by their last name, such as `python3.13`, with their place.
    pub(super) programs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Libraries that were not found, as `name for path`.
    pub(super) missing: BTreeSet<String>,
}

impl<'a> Closure<'a> {
    /// Nothing is kept yet. `env` is the image's environment.
    pub(super) fn new(
        tree: &'a Tree,
        content: &'a dyn ContentAt,
        env: &BTreeMap<String, String>,
    ) -> io::Result<Self> {
        let path = env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let path = path
            .split(':')
            .filter_map(|folder| folder.strip_prefix('/'));
        Ok(Self {
            tree,
            content,
            search: SearchPath::of(tree, content, env.get("LD_LIBRARY_PATH"))?,
            path: path
                .map(|folder| folder.trim_end_matches('/').into())
                .collect(),
            kept: BTreeMap::new(),
            pending: vec![],
            traits: BTreeSet::new(),
            programs: BTreeMap::new(),
            missing: BTreeSet::new(),
        })
    }

    /// Keeps what is at `path` and the links on the way, and gives its real place; nothing if there is
    /// nothing. Of a directory, only itself.
    pub(super) fn keep(&mut self, path: &[u8], why: &str) -> Option<Vec<u8>> {
        self.keep_with(path, why, &[])
    }

    fn keep_with(&mut self, path: &[u8], why: &str, rpath: &[String]) -> Option<Vec<u8>> {
        let real = self.follow(path, why)?;
        let is_directory = self.tree.get(&real)?.is_directory();
        let is_new = self.note(&real, why);
        if is_new && !is_directory {
            self.pending.push((real.clone(), rpath.to_vec()));
        }
        Some(real)
    }

    fn note(&mut self, path: &[u8], why: &str) -> bool {
        if self.kept.contains_key(path) {
            return false;
        }
        self.kept.insert(path.to_vec(), why.to_owned());
        true
    }

    /// Goes along `path`, keeping the links.
    fn follow(&mut self, path: &[u8], why: &str) -> Option<Vec<u8>> {
        let mut pending: Vec<Vec<u8>> = components(path);
        let mut at: Vec<u8> = vec![];
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                at = split_path(&at).map_or_else(Vec::new, |(parent, _)| parent.to_vec());
                continue;
            }
            let next = join_path(&at, &name);
            let Kind::Symlink { target } = &self.tree.get(&next)?.entry().kind else {
                at = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            let target = target.clone();
            self.note(&next, why);
            if target.starts_with(b"/") {
                at.clear();
            }
            pending.extend(components(&target));
        }
        Some(at)
    }

    /// Keeps all that is below `path`, and what links in it lead to. `leave` names paths that are left out.
    pub(super) fn keep_all(&mut self, path: &[u8], why: &str, leave: &dyn Fn(&[u8]) -> bool) {
        let mut pending = vec![path.to_vec()];
        let mut seen = BTreeSet::new();
        while let Some(path) = pending.pop() {
            let Some(real) = self.keep(&path, why) else {
                continue;
            };
            if !seen.insert(real.clone()) {
                continue;
            }
            for (name, _) in self.tree.children(&real) {
                let child = join_path(&real, name);
                if !leave(&child) {
                    pending.push(child);
                }
            }
        }
    }

    /// Keeps what someone named: a file, or a directory with all in it unless it is one of the system's.
    pub(super) fn keep_named(&mut self, path: &[u8], why: &str) {
        let Some(found) = self.tree.resolve(path, true).ok() else {
            return;
        };
        match found.node {
            Some(node) if node.is_directory() => {
                if SYSTEM.contains(&&found.path[..]) {
                    self.keep(path, why);
                } else {
                    self.keep_all(path, why, &|_| false);
                }
            }
            Some(_) => drop(self.keep(path, why)),
            None => {}
        }
    }

    /// Keeps a program that is called by `name`, through `PATH` if it is no path.
    pub(super) fn keep_program(&mut self, name: &[u8], why: &str) -> Option<Vec<u8>> {
        let mut candidates = vec![];
        if name.contains(&b'/') {
            candidates.push(name.to_vec());
        } else {
            candidates.extend(self.path.iter().map(|folder| join_path(folder, name)));
        }
        let is_program = |path: &Vec<u8>| {
            let found = self
                .tree
                .resolve(path, true)
                .ok()
                .and_then(|found| found.node);
            found.is_some_and(|node| node.content().is_some() && node.entry().mode & 0o111 != 0)
        };
        let path = candidates.into_iter().find(is_program)?;
        let real = self.keep(&path, why)?;
        for place in [&path, &real] {
            if let Some((_, name)) = split_path(place) {
                self.programs.insert(name.to_vec(), real.clone());
            }
        }
        Some(real)
    }

    /// Keeps what the words of a text name: absolute paths, and with `has_programs` programs of `PATH`.
    pub(super) fn keep_words(&mut self, text: &[u8], why: &str, has_programs: bool) {
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-@".contains(byte) || *byte >= 0x80;
        let words: BTreeSet<&[u8]> = text.split(|byte| !is_part(byte)).collect();
        for word in words {
            let word = word.strip_suffix(b".").unwrap_or(word);
            match word {
                [b'/', _, ..] => self.keep_named(word, why),
                [] | [b'-', ..] => {}
                _ if has_programs && !word.contains(&b'/') => {
                    self.keep_program(word, why);
                }
                _ => {}
            }
        }
    }

    /// Looks into all that was kept, until nothing more comes of it.
    pub(super) fn close(&mut self) -> io::Result<()> {
        while let Some((path, rpath)) = self.pending.pop() {
            let Some(node) = self.tree.get(&path) else {
                continue;
            };
            let first = begin(self.content, node, 4)?;
            if is_elf(&first) {
                self.program(&path, node, &rpath)?;
            } else if first.starts_with(b"#!") {
                self.script(&path, node)?;
            }
        }
        Ok(())
    }

    fn program(&mut self, path: &[u8], node: Node<'_>, inherited: &[String]) -> io::Result<()> {
        let Some(bytes) = read(self.content, node, MAX_PROGRAM)? else {
            return Ok(());
        };
        let Ok(elf) = Elf::parse(&bytes) else {
            return Ok(());
        };
        let shown = format!("needed by /{}", String::from_utf8_lossy(path));
        if let Some(interpreter) = &elf.interpreter {
            self.keep(interpreter.as_bytes(), &shown);
        }
        let mut rpath = inherited.to_vec();
        if elf.runpath.is_empty() {
            let origin = split_path(path).map_or(&b""[..], |(parent, _)| parent);
            rpath.extend(elf.rpath.iter().map(|folder| with_origin(folder, origin)));
        }
        self.learn(&elf);
        for library in &elf.needed {
            let places = self.search.places(self.tree, library, path, &elf, &rpath);
            if places.is_empty() {
                let shown = String::from_utf8_lossy(path);
                self.missing.insert(format!("{library} for /{shown}"));
            }
            for place in places {
                self.keep_with(&place, &shown, &rpath);
            }
        }
        // What is opened by name at run time stands in no header.
        let is_libc = elf
            .soname
            .as_deref()
            .is_some_and(|name| name.starts_with("libc.so"));
        if elf.calls("dlopen") || is_libc {
            let opened = format!("may be opened by /{}", String::from_utf8_lossy(path));
            for library in library_names(&bytes) {
                for place in self.search.places(self.tree, &library, path, &elf, &rpath) {
                    self.keep_with(&place, &opened, &rpath);
                }
            }
        }
        Ok(())
    }

    /// What the file's headers tell of the data that it will want.
    fn learn(&mut self, elf: &Elf) {
        let soname = elf.soname.as_deref().unwrap_or_default();
        let is_libc = soname.starts_with("libc.so");
        if elf.calls("iconv_open") && !is_libc {
            self.traits.insert(Trait::Iconv);
        }
        if elf.calls("pam_start") {
            self.traits.insert(Trait::Pam);
        }
        if is_libc && soname == "libc.so.6" {
            self.traits.insert(Trait::Glibc);
        }
        if soname.starts_with("libcrypto.so") {
            self.traits.insert(Trait::OpenSsl);
        }
        if soname.starts_with("libtinfo") || soname.starts_with("libncurses") {
            self.traits.insert(Trait::Terminal);
        }
    }

    fn script(&mut self, path: &[u8], node: Node<'_>) -> io::Result<()> {
        let Some(text) = read(self.content, node, MAX_TEXT)? else {
            return Ok(());
        };
        let why = format!("named in /{}", String::from_utf8_lossy(path));
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_prefix(b"#!").unwrap_or_default();
        let words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let words: Vec<&[u8]> = words.collect();
        let is_env = |word: &[u8]| word.ends_with(b"/env");
        let mut interpreter = words.first().copied().unwrap_or_default();
        self.keep_program(interpreter, &why);
        if is_env(interpreter) {
            let named = words
                .iter()
                .skip(1)
                .find(|word| !word.starts_with(b"-") && !word.contains(&b'='));
            interpreter = named.copied().unwrap_or_default();
            self.keep_program(interpreter, &why);
        }
        let name = interpreter
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default();
        let is_shell = name.ends_with(b"sh") || name == b"busybox";
        self.keep_words(&text, &why, is_shell);
        Ok(())
    }
}

/// Where programs are looked for if the image does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The components of a path, the first one last.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.rsplit(|byte| *byte == b'/');
    let names = names.filter(|name| !matches!(*name, b"" | b"."));
    names.map(<[u8]>::to_vec).collect()
}

/// `$ORIGIN` is the directory of the file that says so (`ld.so(8)`).
pub(super) fn with_origin(folder: &str, origin: &[u8]) -> String {
    let origin = format!("/{}", String::from_utf8_lossy(origin));
    folder
        .replace("$ORIGIN", &origin)
        .replace("${ORIGIN}", &origin)
}
