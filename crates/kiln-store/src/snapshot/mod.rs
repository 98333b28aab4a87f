//! Layers as directories: unpacked for overlayfs, made from what a step wrote, and kept.
//!
//! Only a process needs files. So a layer is unpacked when a RUN first needs it, once, into a
//! directory of its own, and overlayfs stacks the directories. What the step writes ends up in an
//! upper directory, which becomes a layer ([`diff`]) and, without being copied, the snapshot of that
//! layer.
//!
//! - [`plan`] and [`unpack`] put a layer into a directory;
//! - [`diff`] makes a layer of an upper directory;
//! - [`shelf`] keeps finished directories, safe against kills, power cuts and other processes;
//! - [`cache_mount`] are the directories of `RUN --mount=type=cache`.

mod attributes;
mod cache_mount;
mod content;
mod diff;
mod error;
mod ids;
mod key;
mod marks;
mod measure;
mod parallel;
mod plan;
mod seed;
mod shelf;
mod unpack;
mod upper;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_layer::{LayerIndex, LayerWriter, Tree};
use kiln_oci::Digest;

pub use cache_mount::{CacheMount, CacheMountInfo, CacheMountOptions, CacheMounts, CacheSharing};
pub use diff::CommitOptions;
pub use error::SnapshotError;
pub use marks::Marks;
pub use shelf::{Snapshot, SnapshotInfo};
pub use upper::Upper;

use crate::lock::Interrupt;
use key::{Key, chain_ids};
use shelf::Shelf;

/// Where snapshots get layers from.
pub trait Layers: Sync {
    /// The index of the layer with this diff id.
    ///
    /// # Errors
    /// When it is neither there nor can be made.
    fn index(
        &self,
        diff_id: &Digest,
    ) -> Result<Arc<LayerIndex>, Box<dyn std::error::Error + Send + Sync>>;

    /// The uncompressed tar of the layer with this diff id. Only read at positions.
    ///
    /// # Errors
    /// When it is neither there nor can be made.
    fn tar(&self, diff_id: &Digest) -> Result<File, Box<dyn std::error::Error + Send + Sync>>;
}

/// The snapshots of a store.
#[derive(Debug)]
pub struct Snapshots {
    shelf: Shelf,
    marks: Marks,
    next: AtomicU64,
}

impl Snapshots {
    /// The snapshots in the directory `root`, which is there. Work directories that are given to its
    /// methods must lie in the same file system.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, marks: Marks) -> Self {
        Self {
            shelf: Shelf::new(root.into()),
            marks,
            next: AtomicU64::new(0),
        }
    }

    /// Waits for other processes end when `interrupt` says so.
    pub(crate) fn with_interrupt(mut self, interrupt: Interrupt) -> Self {
        self.shelf.interrupt = interrupt;
        self
    }

    /// The directories of the layers of `chain`, the lowest layer first, as lower directories: the
    /// **topmost first**, each once. What is missing is unpacked by way of `work`; when several processes need
    /// the same, one does it.
    ///
    /// # Errors
    /// When a layer cannot be had or unpacked.
    pub fn snapshot(
        &self,
        layers: &dyn Layers,
        work: &Path,
        chain: &[Digest],
    ) -> Result<Vec<Snapshot>, SnapshotError> {
        let ids = chain_ids(chain);
        let mut snapshots = Vec::with_capacity(chain.len());
        for (number, (diff_id, chain_id)) in chain.iter().zip(&ids).enumerate() {
            let below = &chain[..number];
            snapshots.push(self.one(layers, work, below, diff_id, chain_id)?);
        }
        snapshots.reverse();
        // A layer can be there twice; empty ones often are. The kernel refuses to stack a directory
        // on itself, and the lower of the two shows nothing that the upper one does not.
        let mut seen = HashSet::new();
        snapshots.retain(|snapshot| seen.insert(snapshot.path().to_path_buf()));
        Ok(snapshots)
    }

    /// The snapshot of one layer, which lies over those `below`; with them it is `chain_id`.
    fn one(
        &self,
        layers: &dyn Layers,
        work: &Path,
        below: &[Digest],
        diff_id: &Digest,
        chain_id: &Digest,
    ) -> Result<Snapshot, SnapshotError> {
        // First what needs no index. A step's upper directory is found by its chain alone.
        let by_chain = Key::of_chain(chain_id, self.marks);
        let by_layer = Key::of_layer(diff_id, self.marks);
        for key in [&by_chain, &by_layer] {
            if let Some(found) = self.shelf.find(key)? {
                return Ok(found);
            }
        }
        let index = index_of(layers, diff_id)?;
        let is_alone = index.is_self_contained();
        let key = if is_alone { &by_layer } else { &by_chain };
        let _lock = self.shelf.lock(key)?;
        if let Some(found) = self.shelf.find(key)? {
            return Ok(found);
        }
        let made = self.work_directory(work)?;
        let target = made.join("fs");
        fs::create_dir(&target).map_err(SnapshotError::io("create", &target))?;
        let below = if is_alone { &[][..] } else { below };
        let unpacked = self.unpack(layers, &target, below, &index);
        if let Err(error) = unpacked {
            // What cannot be removed now goes when the lease's leftovers are cleaned.
            let _ = shelf::remove_tree(&made);
            return Err(error);
        }
        self.shelf.put_locked(key, &made)
    }

    fn unpack(
        &self,
        layers: &dyn Layers,
        target: &Path,
        below: &[Digest],
        index: &Arc<LayerIndex>,
    ) -> Result<(), SnapshotError> {
        let mut lower = Tree::new();
        for diff_id in below {
            lower.apply(&index_of(layers, diff_id)?)?;
        }
        let mut merged = lower.clone();
        merged.apply(index)?;
        let plan = match below {
            [] if index.is_self_contained() => plan::alone(&merged, index),
            _ => plan::over(&lower, &merged),
        };
        let files = plan
            .directories
            .values()
            .flat_map(|directory| &directory.files);
        let with_content = files.filter(|(_, node)| node.indexed().size() > 0);
        let needed: HashSet<_> = with_content
            .filter_map(|(_, node)| node.diff_id())
            .collect();
        let mut tars = HashMap::new();
        for diff_id in needed {
            let tar = layers.tar(diff_id);
            let tar = tar.map_err(|source| unavailable(diff_id, source))?;
            tars.insert(*diff_id, tar);
        }
        unpack::unpack(&plan, target, self.marks, &tars)
    }

    /// A new, empty upper directory in `work`, with what overlayfs needs beside it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn upper(&self, work: &Path) -> Result<Upper, SnapshotError> {
        Upper::create(self.work_directory(work)?)
    }

    /// Writes what `upper`, mounted over the layers of `tree`, changes to `out`, and tidies `upper`
    /// up to be what that layer unpacks to. See [`adopt`](Self::adopt) for the second half.
    ///
    /// # Errors
    /// Names the path that could not be read or written.
    pub fn diff<W: Write + Send + 'static>(
        &self,
        upper: &Upper,
        tree: &Tree,
        options: &CommitOptions,
        out: &mut LayerWriter<W>,
    ) -> Result<(), SnapshotError> {
        diff::diff(upper.dir(), tree, self.marks, options, out)
    }

    /// Keeps `upper` as the snapshot of `chain`, whose topmost layer was made from it.
    ///
    /// # Errors
    /// When it cannot be put in place.
    pub fn adopt(&self, upper: Upper, chain: &[Digest]) -> Result<Option<Snapshot>, SnapshotError> {
        let Some(chain_id) = chain_ids(chain).pop() else {
            return Ok(None);
        };
        let place = upper.finish()?;
        let key = Key::of_chain(&chain_id, self.marks);
        let snapshot = self.shelf.put(&key, &place)?;
        // It is gone, unless the snapshot was there before.
        shelf::remove_tree(&place)?;
        Ok(Some(snapshot))
    }

    /// All snapshots with their sizes, for collection.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn list(&self) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        self.shelf.list()
    }

    /// Removes the snapshot called `name` by way of `work`. Says whether it did: one that is in use
    /// or not there is left.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str, work: &Path) -> Result<bool, SnapshotError> {
        let Some(key) = Key::from_name(name) else {
            return Ok(false);
        };
        self.shelf.remove(&key, &self.work_path(work))
    }

    /// A path in `work` that nothing has yet.
    fn work_path(&self, work: &Path) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        work.join(format!("snapshot-{}-{number}", std::process::id()))
    }

    fn work_directory(&self, work: &Path) -> Result<PathBuf, SnapshotError> {
        let path = self.work_path(work);
        fs::create_dir(&path).map_err(SnapshotError::io("create", &path))?;
        Ok(path)
    }
}

fn index_of(layers: &dyn Layers, diff_id: &Digest) -> Result<Arc<LayerIndex>, SnapshotError> {
    let index = layers.index(diff_id);
    index.map_err(|source| unavailable(diff_id, source))
}

fn unavailable(
    diff_id: &Digest,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> SnapshotError {
    SnapshotError::Unavailable {
        layer: *diff_id,
        source,
    }
}
