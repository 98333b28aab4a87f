//! The upper directory of an overlay becomes a layer.
//!
//! overlayfs copies a file up whole when anything about it changes, and a directory whenever
//! something below it does. So an upper directory holds more than what changed, and this compares
//! with the tree below, entry by entry, without reading what lies below:
//!
//! - a whiteout counts only where the tree has the victim, an opaque directory becomes one whiteout
//!   for each lower name that it hides (as BuildKit writes it, which every reader understands);
//! - what equals the tree's entry is left out: mode, owner, device and attributes, for all but
//!   directories the time and size or target, too. Where neither time has a fraction, which is how
//!   layers keep times, the content decides;
//! - directories are written when they are new or changed, and before anything below them;
//! - of several names of one file the first carries the content. When one of them is new, all names
//!   in the upper directory are written, even those that lower layers have: else the layer would
//!   part what is one file. A link *into* a lower layer would be smaller, but Docker and Podman
//!   unpack each layer by itself and refuse it;
//! - sockets, of which only the whiteout of what they replaced is left, and what the sandbox made as mount points are dropped.
//!
//! Entries are in the order of a walk, names sorted as bytes, whiteouts in their victims' places.
//! Afterwards the upper directory is what unpacking the layer would give, times included, so that a
//! later step cannot tell the two apart.

mod compare;
mod scan;
mod tidy;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use kiln_layer::entry::join_path;
use kiln_layer::{Entry, Kind, LayerWriter, Tree};

use super::error::SnapshotError;
use super::marks::Marks;
use compare::is_unchanged;
use scan::{Found, scan};

/// How an upper directory becomes a layer.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// Later times become this one, in seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub clamp_mtime: Option<i64>,
    /// Paths in the root filesystem that were made only to mount something there. They are dropped
    /// if they are still empty.
    pub mount_points: Vec<PathBuf>,
}

/// What becomes of a found file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It equals what is below. As a directory it may still be written for its children's sake.
    Unchanged,
    /// It goes into the layer.
    Written,
    /// It goes into no layer and leaves the directory.
    Dropped,
    /// A whiteout of what is not there.
    Ignored,
}

/// Writes what `upper` changes about `tree` to `out`, and brings `upper` itself into the state that
/// the layer describes.
///
/// # Errors
/// Names the path that could not be read, written or changed.
pub(super) fn diff<W: Write + Send + 'static>(
    upper: &Path,
    tree: &Tree,
    marks: Marks,
    options: &CommitOptions,
    out: &mut LayerWriter<W>,
) -> Result<(), SnapshotError> {
    let root = File::open(upper).map_err(SnapshotError::io("open", upper))?;
    let found = scan(root.as_fd(), upper, marks)?;
    let mut fates = Vec::with_capacity(found.len());
    for item in &found {
        fates.push(fate(root.as_fd(), upper, item, tree)?);
    }
    tidy::drop_mount_points(&found, &mut fates, tree, options);
    keep_names_together(&found, &mut fates);
    let removed = hidden_names(&found, tree);
    write_parents(&found, &mut fates, &removed);
    emit(root.as_fd(), upper, &found, &fates, &removed, options, out)?;
    tidy::tidy(root.as_fd(), upper, &found, &fates, tree, options)
}

fn fate(
    root: BorrowedFd<'_>,
    upper: &Path,
    item: &Found,
    tree: &Tree,
) -> Result<Fate, SnapshotError> {
    let below = tree.get(&item.entry.path);
    if item.is_socket {
        let is_alone = below.is_none();
        return Ok(if is_alone {
            Fate::Dropped
        } else {
            Fate::Written
        });
    }
    Ok(match (&item.entry.kind, below) {
        (Kind::Whiteout, None) => Fate::Ignored,
        (Kind::Whiteout, Some(_)) | (_, None) => Fate::Written,
        (_, Some(below)) => match is_unchanged(root, upper, item, below)? {
            true => Fate::Unchanged,
            false => Fate::Written,
        },
    })
}

/// When one name of a file is written, all are.
fn keep_names_together(found: &[Found], fates: &mut [Fate]) {
    let mut is_written = HashMap::new();
    for (item, fate) in found.iter().zip(&*fates) {
        if item.has_other_names() {
            let any = is_written.entry(item.inode).or_insert(false);
            *any |= *fate == Fate::Written;
        }
    }
    for (item, fate) in found.iter().zip(fates) {
        let follows = item.has_other_names() && is_written.get(&item.inode) == Some(&true);
        if follows && *fate == Fate::Unchanged {
            *fate = Fate::Written;
        }
    }
}

/// The lower names that opaque directories hide, each with the number of its directory.
fn hidden_names(found: &[Found], tree: &Tree) -> Vec<(usize, Vec<u8>)> {
    let mut is_hiding = vec![false; found.len()];
    let mut present: HashMap<usize, HashSet<&[u8]>> = HashMap::new();
    for (number, item) in found.iter().enumerate() {
        // Below an opaque directory everything is new, and no directory there is marked.
        let inherited = item.parent.is_some_and(|parent| is_hiding[parent]);
        is_hiding[number] = item.entry.kind == Kind::Directory && (item.is_opaque || inherited);
        if let Some(parent) = item.parent.filter(|_| inherited) {
            present.entry(parent).or_default().insert(item.name());
        }
    }
    let mut hidden = Vec::new();
    for (number, item) in found
        .iter()
        .enumerate()
        .filter(|(number, _)| is_hiding[*number])
    {
        let names = present.remove(&number).unwrap_or_default();
        for (name, _) in tree.children(&item.entry.path) {
            if !names.contains(name) {
                hidden.push((number, join_path(&item.entry.path, name)));
            }
        }
    }
    hidden
}

/// Directories are written before anything in them.
fn write_parents(found: &[Found], fates: &mut [Fate], removed: &[(usize, Vec<u8>)]) {
    let written = (0..found.len()).filter(|number| fates[*number] == Fate::Written);
    let parents = written.filter_map(|number| found[number].parent);
    let parents: Vec<usize> = parents
        .chain(removed.iter().map(|(parent, _)| *parent))
        .collect();
    for parent in parents {
        let mut next = Some(parent);
        while let Some(number) = next.filter(|number| fates[*number] != Fate::Written) {
            fates[number] = Fate::Written;
            next = found[number].parent;
        }
    }
}

/// Writes the layer: what is [`Fate::Written`], with the `removed` names in their places.
fn emit<W: Write + Send + 'static>(
    root: BorrowedFd<'_>,
    upper: &Path,
    found: &[Found],
    fates: &[Fate],
    removed: &[(usize, Vec<u8>)],
    options: &CommitOptions,
    out: &mut LayerWriter<W>,
) -> Result<(), SnapshotError> {
    let mut removed: Vec<&[u8]> = removed.iter().map(|(_, path)| &path[..]).collect();
    removed.sort_unstable_by(|a, b| walk_order(a, b));
    let mut removed = removed.into_iter().peekable();
    let mut first_names: HashMap<u64, &[u8]> = HashMap::new();
    for (item, _) in found
        .iter()
        .zip(fates)
        .filter(|(_, fate)| **fate == Fate::Written)
    {
        let path = &item.entry.path;
        while let Some(victim) = removed.next_if(|next| walk_order(next, path).is_lt()) {
            out.entry(&Entry::whiteout(victim))?;
        }
        if item.entry.kind == Kind::Whiteout || item.is_socket {
            out.entry(&Entry::whiteout(path.clone()))?;
            continue;
        }
        let mut entry = item.entry.clone();
        entry.mtime = tidy::layer_time(entry.mtime, options);
        if item.has_other_names() {
            if let Some(first) = first_names.get(&item.inode) {
                entry.kind = Kind::Hardlink {
                    target: first.to_vec(),
                };
            } else {
                first_names.insert(item.inode, path);
            }
        }
        match entry.kind {
            Kind::File { size: 1.. } => {
                let mut content = scan::open_file(root, upper, path)?;
                out.file(&entry, &mut content)?;
            }
            _ => out.entry(&entry)?,
        }
    }
    for victim in removed {
        out.entry(&Entry::whiteout(victim))?;
    }
    Ok(())
}

/// The order in which a walk that sorts names comes by: as if `/` were below every other byte.
fn walk_order(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(key).cmp(b.iter().map(key))
}
