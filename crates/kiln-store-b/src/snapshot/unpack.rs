//! From a layer to a directory.
//!
//! The layer's index says what there is, the merged tree says where it goes: an entry below a symbolic link of
//! a lower layer belongs where the link leads, and only the tree knows. So every directory on the way to an
//! entry is one that this module made itself, no link is ever followed on disk, and nothing can be
//! written outside of the root.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_layer::entry::{join_path, split_path};
use kiln_layer::{ContentAt as _, Entry, IndexEntry, Kind, LayerIndex, Node, Tree};
use rayon::prelude::*;
use rustix::fs::{CWD, FileType, Mode};

use super::attributes;
use super::error::SnapshotError;
use crate::store::Store;

/// A run of zeros at least this long is left out of the file.
const HOLE: usize = 64 << 10;

/// One layer on its way to a directory.
pub(super) struct Unpacking<'a> {
    pub(super) root: &'a Path,
    /// The layers below, merged.
    pub(super) lower: &'a Tree,
    /// The same with this layer.
    pub(super) merged: &'a Tree,
    pub(super) layer: &'a LayerIndex,
    pub(super) store: &'a Store,
    pub(super) user_namespace: bool,
}

/// What the layer says, by the place where it really goes. Of several entries for a place the last counts.
#[derive(Default)]
struct Sorted<'a> {
    entries: BTreeMap<Vec<u8>, &'a IndexEntry>,
    whiteouts: Vec<Vec<u8>>,
    opaque: Vec<Vec<u8>>,
}

impl Unpacking<'_> {
    /// Makes everything.
    pub(super) fn run(&self) -> Result<(), SnapshotError> {
        let sorted = self.sort();
        let directories = self.make_directories(&sorted)?;
        let files: Vec<(&Vec<u8>, &&IndexEntry)> = sorted
            .entries
            .iter()
            .filter(|(_, indexed)| matches!(indexed.entry.kind, Kind::File { .. }))
            .collect();
        if !files.is_empty() {
            let tar = self.store.layer_tar(&self.layer.diff_id)?;
            files
                .par_iter()
                .try_for_each(|(path, indexed)| self.file(path, indexed, &tar))?;
        }
        for (path, indexed) in &sorted.entries {
            match &indexed.entry.kind {
                Kind::File { .. } | Kind::Directory | Kind::Whiteout | Kind::Opaque => {}
                Kind::Hardlink { target } => self.hardlink(path, target, &indexed.entry)?,
                _ => self.special(path, &indexed.entry)?,
            }
        }
        self.hide(&sorted)?;
        // The deepest first: making entries changes the times of the directories that hold them.
        for (path, entry) in directories.iter().rev() {
            self.attempt(path, entry, attributes::apply(&self.at(path), entry))?;
        }
        Ok(())
    }

    fn sort(&self) -> Sorted<'_> {
        let mut sorted = Sorted::default();
        let mut parents: HashMap<&[u8], Vec<u8>> = HashMap::new();
        for indexed in &self.layer.entries {
            let entry = &indexed.entry;
            let place = match split_path(&entry.path) {
                None => vec![],
                Some((parent, name)) => {
                    let parent = parents.entry(parent).or_insert_with(|| {
                        let resolved = self.merged.resolve(parent, true);
                        resolved.map_or_else(|_| parent.to_vec(), |resolved| resolved.path)
                    });
                    join_path(parent, name)
                }
            };
            match entry.kind {
                Kind::Whiteout => sorted.whiteouts.push(place),
                Kind::Opaque => sorted.opaque.push(place),
                _ => {
                    sorted.entries.insert(place, indexed);
                }
            }
        }
        // A place below what ended up as something else than a directory has no place.
        let merged = self.merged;
        sorted.entries.retain(|path, _| merged.get(path).is_some());
        sorted
    }

    /// Makes the layer's directories and those above its entries; gives all with their metadata.
    fn make_directories(
        &self,
        sorted: &Sorted<'_>,
    ) -> Result<BTreeMap<Vec<u8>, Entry>, SnapshotError> {
        let mut directories: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        for (path, indexed) in &sorted.entries {
            if indexed.entry.kind == Kind::Directory {
                self.need_directory(path, &mut directories);
            } else if let Some((parent, _)) = split_path(path) {
                self.need_directory(parent, &mut directories);
            }
        }
        for path in sorted.whiteouts.iter().filter_map(|path| split_path(path)) {
            self.need_directory(path.0, &mut directories);
        }
        for path in &sorted.opaque {
            self.need_directory(path, &mut directories);
        }
        for (path, entry) in directories.iter().filter(|(path, _)| !path.is_empty()) {
            let made = rustix::fs::mkdirat(CWD, self.at(path), Mode::from_raw_mode(0o700));
            self.attempt(path, entry, made.map_err(io::Error::from))?;
        }
        Ok(directories)
    }

    fn need_directory(&self, path: &[u8], directories: &mut BTreeMap<Vec<u8>, Entry>) {
        let mut path = path;
        while !directories.contains_key(path) {
            let Some(node) = self.merged.get(path).filter(|node| node.is_directory()) else {
                return;
            };
            directories.insert(path.to_vec(), node.entry().clone());
            match split_path(path) {
                Some((parent, _)) => path = parent,
                None => return,
            }
        }
    }

    fn file(
        &self,
        path: &[u8],
        indexed: &IndexEntry,
        tar: &Arc<File>,
    ) -> Result<(), SnapshotError> {
        let at = self.at(path);
        let stored = crate::blob::ReadAt {
            file: Arc::clone(tar),
            position: indexed.offset,
        };
        let written = write_file(&at, indexed, indexed.expand(stored));
        self.attempt(path, &indexed.entry, written)?;
        self.attempt(path, &indexed.entry, attributes::apply(&at, &indexed.entry))
    }

    /// A link to a file of this layer is a link; one to a file of a lower layer gets a copy of it here first,
    /// as overlayfs itself would do.
    fn hardlink(&self, path: &[u8], target: &[u8], entry: &Entry) -> Result<(), SnapshotError> {
        let Some(node) = self.merged.get(path) else {
            return Ok(());
        };
        let target = match split_path(target) {
            Some((parent, name)) => {
                let parent = self
                    .merged
                    .resolve(parent, true)
                    .map(|resolved| resolved.path);
                join_path(&parent.unwrap_or_default(), name)
            }
            None => return Ok(()),
        };
        let at = self.at(&target);
        if at.symlink_metadata().is_err() {
            self.copy_up(&target, node)?;
        }
        let linked = rustix::fs::link(&at, self.at(path)).map_err(io::Error::from);
        self.attempt(path, entry, linked)
    }

    fn copy_up(&self, path: &[u8], node: Node<'_>) -> Result<(), SnapshotError> {
        let mut directories = BTreeMap::new();
        if let Some((parent, _)) = split_path(path) {
            self.need_directory(parent, &mut directories);
        }
        for (path, entry) in &directories {
            let at = self.at(path);
            if !at.exists() {
                let made = std::fs::create_dir(&at).and_then(|()| attributes::apply(&at, entry));
                self.attempt(path, entry, made)?;
            }
        }
        let (entry, at) = (node.entry(), self.at(path));
        if !matches!(entry.kind, Kind::File { .. }) {
            return self.special(path, entry);
        }
        let Some(layer) = node.diff_id() else {
            return Ok(());
        };
        let copied = self
            .store
            .open_at(layer, node.indexed())
            .and_then(|content| write_file(&at, node.indexed(), content))
            .and_then(|()| attributes::apply(&at, entry));
        self.attempt(path, entry, copied)
    }

    /// Links, devices, pipes.
    fn special(&self, path: &[u8], entry: &Entry) -> Result<(), SnapshotError> {
        let at = self.at(path);
        let made = match &entry.kind {
            Kind::Symlink { target } => symlink(std::ffi::OsStr::from_bytes(target), &at)
                .and_then(|()| attributes::apply_to_link(&at, entry)),
            Kind::Fifo => node(&at, FileType::Fifo, 0, 0, entry),
            // A user namespace may not make devices. An empty file holds the place: /dev is the sandbox's own
            // anyway, and the layer itself still has the device.
            Kind::Char { .. } | Kind::Block { .. } if self.user_namespace => {
                File::create_new(&at).and_then(|_| attributes::apply(&at, entry))
            }
            Kind::Char { major, minor } => {
                node(&at, FileType::CharacterDevice, *major, *minor, entry)
            }
            Kind::Block { major, minor } => node(&at, FileType::BlockDevice, *major, *minor, entry),
            _ => Ok(()),
        };
        self.attempt(path, entry, made)
    }

    /// Makes what hides lower layers: whiteouts, and opaque marks on directories. A directory that the layer
    /// makes where it has a whiteout too starts empty, so it is opaque.
    fn hide(&self, sorted: &Sorted<'_>) -> Result<(), SnapshotError> {
        for path in &sorted.whiteouts {
            if self.lower.get(path).is_none() {
                continue;
            }
            let entry = Entry::whiteout(path.clone());
            let at = self.at(path);
            let hidden = match at.symlink_metadata() {
                Ok(there) if there.is_dir() => attributes::set_opaque(&at, self.user_namespace),
                Ok(_) => Ok(()),
                Err(_) => {
                    let device = rustix::fs::makedev(0, 0);
                    let kind = FileType::CharacterDevice;
                    rustix::fs::mknodat(CWD, &at, kind, Mode::empty(), device)
                        .map_err(io::Error::from)
                }
            };
            self.attempt(path, &entry, hidden)?;
        }
        for path in &sorted.opaque {
            let entry = Entry::directory(path.clone(), 0);
            let at = self.at(path);
            if at.is_dir() {
                self.attempt(
                    path,
                    &entry,
                    attributes::set_opaque(&at, self.user_namespace),
                )?;
            }
        }
        Ok(())
    }

    fn at(&self, path: &[u8]) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(path))
    }

    fn attempt(
        &self,
        path: &[u8],
        entry: &Entry,
        result: io::Result<()>,
    ) -> Result<(), SnapshotError> {
        let Err(source) = result else { return Ok(()) };
        let path = format!("/{}", String::from_utf8_lossy(path));
        // The kernel's word for an id that the namespace does not map.
        if source.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error())
            && (entry.uid != 0 || entry.gid != 0)
            && self.user_namespace
        {
            return Err(SnapshotError::Owner {
                path,
                uid: entry.uid,
                gid: entry.gid,
            });
        }
        Err(SnapshotError::Unpack { path, source })
    }
}

fn node(path: &Path, kind: FileType, major: u32, minor: u32, entry: &Entry) -> io::Result<()> {
    let device = rustix::fs::makedev(major, minor);
    rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device)?;
    attributes::apply(path, entry)
}

/// Writes a file's content, leaving long runs of zeros out.
fn write_file(path: &Path, indexed: &IndexEntry, mut content: impl Read) -> io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    let size = indexed.size();
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(HOLE).clamp(1, HOLE)];
    let (mut position, mut holes) = (0_u64, false);
    while position < size {
        let want = usize::try_from(size - position)
            .unwrap_or(HOLE)
            .min(buffer.len());
        content.read_exact(&mut buffer[..want])?;
        let block = &buffer[..want];
        if want == HOLE && block.iter().all(|byte| *byte == 0) {
            holes = true;
        } else if holes {
            file.write_all_at(block, position)?;
        } else {
            file.write_all(block)?;
        }
        position += want as u64;
    }
    if holes {
        file.set_len(size)?;
    }
    Ok(())
}
