//! Which files a COPY means.
//!
//! Source: the Dockerfile reference, "COPY"; where it is silent, BuildKit's behaviour: a directory stands
//! for its contents, links in a source's path are followed within the place, `..` does not leave it, a
//! pattern that matches nothing is no error but a missing plain path is.

use kiln_dockerfile::evaluate::PathSource;
use kiln_dockerfile::glob::Part;
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::suggest;
use kiln_layer::entry::join_path;
use kiln_layer::{Kind, Node, Tree};
use kiln_oci::Digest;

use crate::files::{Files, ReadError};
use crate::key::KeyBuilder;

/// What to choose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request<'a> {
    /// Paths and patterns.
    pub(crate) sources: &'a [&'a PathSource],
    /// `--exclude` patterns, relative to each source.
    pub(crate) excludes: &'a [String],
    /// `--parents`: keep the directories of the sources.
    pub(crate) parents: bool,
}

/// One chosen entry: where it is and where it goes, relative to the destination. An empty `to` stands
/// for the destination directory itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

/// The entries that one source stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// A single file, by the name that it has if the destination turns out to be a directory.
    File { name: Vec<u8>, from: Vec<u8> },
    /// The contents of a directory, or files below kept parents; the destination is a directory.
    Contents(Vec<Pick>),
}

/// A source that cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Nothing there.
    #[error("`{path}` is not in {place}")]
    NotFound {
        /// As written.
        path: String,
        /// Where it was looked for.
        place: String,
        /// The closest name that is there.
        similar: Option<String>,
    },
    /// A pattern that is none.
    #[error("`{pattern}` is not a valid pattern")]
    Pattern {
        /// As written.
        pattern: String,
    },
    /// Symbolic links that lead round in a circle, or a file where a directory should be.
    #[error("cannot follow `{path}` in {place}: {reason}")]
    Unreachable {
        /// As written.
        path: String,
        /// Where it was looked for.
        place: String,
        /// What stands in the way.
        reason: String,
    },
}

/// Chooses the entries of `files` that `request` means, in the order of its sources.
///
/// # Errors
/// See [`SelectError`].
pub(crate) fn select(files: &dyn Files, request: &Request<'_>) -> Result<Vec<Chosen>, SelectError> {
    let excludes = Excludes::new(request.excludes)?;
    let mut chosen = vec![];
    for source in request.sources {
        for found in find(files, source)? {
            let picked = if request.parents {
                with_parents(files, &found, &excludes)?
            } else {
                plain(files, &found, &excludes)?
            };
            chosen.extend(picked);
        }
    }
    Ok(chosen)
}

/// A source that was found: its path, and the part of it from which `--parents` keeps directories.
struct Found {
    written: String,
    path: Vec<u8>,
    kept: Vec<u8>,
}

fn find(files: &dyn Files, source: &PathSource) -> Result<Vec<Found>, SelectError> {
    let base = source.base.as_bytes();
    let found = |kept: Vec<u8>| Found {
        written: source.written.clone(),
        path: concat(base, &kept),
        kept,
    };
    if !source.wildcard {
        let full = concat(base, source.path.as_bytes());
        return match exists(files, &full, &source.written)? {
            true => Ok(vec![found(source.path.clone().into_bytes())]),
            false => Err(not_found(files, &source.written, &full)),
        };
    }
    let components: Vec<&str> = source
        .path
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let mut matches = vec![];
    expand(files.tree(), base, &components, &mut matches).map_err(|()| SelectError::Pattern {
        pattern: source.written.clone(),
    })?;
    matches.sort();
    matches.dedup();
    let skip = if base.is_empty() { 0 } else { base.len() + 1 };
    Ok(matches
        .into_iter()
        .map(|path| found(path.get(skip..).unwrap_or_default().to_vec()))
        .collect())
}

/// All paths below `directory` that match `pattern`, component by component; `**` stands for any
/// number of directories. Links to directories are looked through.
fn expand(
    tree: &Tree,
    directory: &[u8],
    pattern: &[&str],
    matches: &mut Vec<Vec<u8>>,
) -> Result<(), ()> {
    let Some((first, rest)) = pattern.split_first() else {
        matches.push(directory.to_vec());
        return Ok(());
    };
    let Ok(resolved) = tree.resolve(directory, true) else {
        return Ok(());
    };
    if *first == "**" {
        expand(tree, directory, rest, matches)?;
        for (name, node) in tree.children(&resolved.path) {
            if node.is_directory() {
                expand(tree, &join_path(directory, name), pattern, matches)?;
            }
        }
        return Ok(());
    }
    let first = Part::new(first).map_err(|_| ())?;
    for (name, _) in tree.children(&resolved.path) {
        if first.matches(&String::from_utf8_lossy(name)) {
            expand(tree, &join_path(directory, name), rest, matches)?;
        }
    }
    Ok(())
}

/// A source without `--parents`: the last link is followed too.
fn plain(
    files: &dyn Files,
    found: &Found,
    excludes: &Excludes,
) -> Result<Option<Chosen>, SelectError> {
    let tree = files.tree();
    let resolved = resolve(files, &found.path, &found.written)?;
    let Some(node) = tree.get(&resolved) else {
        return Err(not_found(files, &found.written, &found.path));
    };
    if !node.is_directory() {
        let name = found
            .path
            .rsplit(|&byte| byte == b'/')
            .next()
            .unwrap_or_default()
            .to_vec();
        let hidden = excludes.hide(&name, false);
        return Ok((!hidden).then_some(Chosen::File {
            name,
            from: resolved,
        }));
    }
    let mut picks = vec![Pick {
        from: resolved.clone(),
        to: vec![],
    }];
    walk(tree, &resolved, &[], excludes, &mut picks);
    Ok(Some(Chosen::Contents(picks)))
}

/// A source with `--parents`: its directories come along, and a link is copied as a link.
fn with_parents(
    files: &dyn Files,
    found: &Found,
    excludes: &Excludes,
) -> Result<Option<Chosen>, SelectError> {
    let tree = files.tree();
    let prefix = &found.path[..found.path.len() - found.kept.len()];
    let mut picks = vec![];
    let mut to: Vec<u8> = vec![];
    for component in found
        .kept
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
    {
        to = join_path(&to, component);
        let from = concat(prefix.strip_suffix(b"/").unwrap_or(prefix), &to);
        picks.push(Pick {
            from,
            to: to.clone(),
        });
    }
    let Some(node) = tree.get(&found.path) else {
        return Err(not_found(files, &found.written, &found.path));
    };
    if node.is_directory() {
        walk(tree, &found.path, &to, excludes, &mut picks);
    } else if excludes.hide(&to, false) {
        return Ok(None);
    }
    Ok(Some(Chosen::Contents(picks)))
}

/// Adds what is below the directory `from`, to be put below `to`.
fn walk(tree: &Tree, from: &[u8], to: &[u8], excludes: &Excludes, picks: &mut Vec<Pick>) {
    let base = to.len() + usize::from(!to.is_empty());
    let mut stack = vec![(from.to_vec(), to.to_vec())];
    while let Some((from, to)) = stack.pop() {
        for (name, node) in tree.children(&from) {
            let (from, to) = (join_path(&from, name), join_path(&to, name));
            let directory = node.is_directory();
            if !excludes.hide(&to[base..], directory) {
                picks.push(Pick {
                    from: from.clone(),
                    to: to.clone(),
                });
            } else if !excludes.may_include_below(&to[base..]) {
                continue;
            }
            if directory {
                stack.push((from, to));
            }
        }
    }
}

/// `--exclude` patterns, with the syntax and the meaning of `.dockerignore`.
struct Excludes(Option<IgnoreFile>);

impl Excludes {
    fn new(patterns: &[String]) -> Result<Self, SelectError> {
        if patterns.is_empty() {
            return Ok(Self(None));
        }
        let file = IgnoreFile::from_patterns(patterns.iter().map(String::as_str));
        let file = file.map_err(|error| SelectError::Pattern {
            pattern: error.to_string(),
        })?;
        Ok(Self(Some(file)))
    }

    fn hide(&self, path: &[u8], directory: bool) -> bool {
        let Some(file) = &self.0 else { return false };
        file.is_ignored(&String::from_utf8_lossy(path), directory)
    }

    fn may_include_below(&self, path: &[u8]) -> bool {
        let Some(file) = &self.0 else { return true };
        file.may_contain_included(&String::from_utf8_lossy(path))
    }
}

fn concat(directory: &[u8], path: &[u8]) -> Vec<u8> {
    match (directory, path) {
        (b"", path) => path.to_vec(),
        (directory, b"") => directory.to_vec(),
        (directory, path) => join_path(directory, path),
    }
}

fn resolve(files: &dyn Files, path: &[u8], written: &str) -> Result<Vec<u8>, SelectError> {
    let resolved = files
        .tree()
        .resolve(path, true)
        .map_err(|error| SelectError::Unreachable {
            path: written.to_owned(),
            place: files.place(),
            reason: error.to_string(),
        })?;
    Ok(resolved.path)
}

fn exists(files: &dyn Files, path: &[u8], written: &str) -> Result<bool, SelectError> {
    let resolved = resolve(files, path, written)?;
    Ok(resolved.is_empty() || files.tree().get(&resolved).is_some())
}

/// Looks for a name that was meant: the same path with another last component.
fn not_found(files: &dyn Files, written: &str, path: &[u8]) -> SelectError {
    let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[][..], path),
    };
    let name = String::from_utf8_lossy(name);
    let siblings = files.tree().children(parent);
    let names: Vec<String> = siblings
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    let similar = suggest::nearest(&name, names.iter().map(String::as_str));
    let similar =
        similar.map(|name| String::from_utf8_lossy(&concat(parent, name.as_bytes())).into_owned());
    SelectError::NotFound {
        path: written.to_owned(),
        place: files.place(),
        similar,
    }
}

/// The digest of all that a selection is: where each entry goes, what it is, and the content of its
/// file. Times do not count; with `ignore_owner` or `ignore_mode`, which `--chown` and `--chmod` override
/// anyway, those do not either, so that a checkout under another umask still hits the cache.
pub(crate) fn digest(
    files: &dyn Files,
    chosen: &[Chosen],
    ignore_owner: bool,
    ignore_mode: bool,
) -> Result<Digest, ReadError> {
    let mut picks: Vec<(&[u8], &[u8], u64)> = vec![];
    for one in chosen {
        match one {
            Chosen::File { name, from } => picks.push((name, from, 1)),
            Chosen::Contents(contents) => {
                picks.extend(
                    contents
                        .iter()
                        .map(|pick| (&pick.to[..], &pick.from[..], 2)),
                );
            }
        }
    }
    let tree = files.tree();
    let node = |path: &[u8]| {
        tree.get(path)
            .ok_or_else(|| files.read_error(path, std::io::ErrorKind::NotFound.into()))
    };
    let mut regular = vec![];
    for (_, from, _) in &picks {
        if matches!(node(from)?.entry().kind, Kind::File { .. }) {
            regular.push(from.to_vec());
        }
    }
    let mut contents = files.digests(&regular)?.into_iter();
    let mut key = KeyBuilder::new("selection");
    for (to, from, how) in picks {
        key.number(how).bytes(to);
        describe(&mut key, node(from)?, ignore_owner, ignore_mode);
        if matches!(node(from)?.entry().kind, Kind::File { .. }) {
            key.digest(
                &contents
                    .next()
                    .expect("because each regular file has a digest"),
            );
        }
    }
    Ok(key.finish())
}

fn describe(key: &mut KeyBuilder, node: Node<'_>, ignore_owner: bool, ignore_mode: bool) {
    let entry = node.entry();
    key.text(entry.kind.name());
    if !ignore_mode {
        key.number(u64::from(entry.mode));
    }
    if !ignore_owner {
        key.number(u64::from(entry.uid))
            .number(u64::from(entry.gid));
    }
    match &entry.kind {
        Kind::Symlink { target } | Kind::Hardlink { target } => {
            key.bytes(target);
        }
        Kind::Char { major, minor } | Kind::Block { major, minor } => {
            key.number(u64::from(*major)).number(u64::from(*minor));
        }
        _ => {}
    }
    key.number(entry.xattrs.len() as u64);
    for (name, value) in &entry.xattrs {
        key.bytes(name).bytes(value);
    }
}
