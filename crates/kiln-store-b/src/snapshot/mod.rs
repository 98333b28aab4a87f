//! Snapshots: layers as directories, for overlayfs to stack.
//!
//! A snapshot holds what one layer adds to the chain below it, in overlayfs' own terms: a removed name is a
//! character device 0:0, a directory that hides what is below it has the `opaque` attribute. It is kept
//! under the key of its whole chain, because a layer that is not self-contained (hard links into lower
//! layers, directories it does not name) looks different on another chain.
//!
//! Snapshots can be made again from their layers, so they are not synced to disk. Each holds the boot id of its
//! making: a killed process loses nothing of what it has written, a power cut may, and after it the snapshot
//! does not count any more.

mod attributes;
mod cache_mount;
mod diff;
mod error;
mod unpack;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_layer::{LayerIndex, Tree};
use kiln_oci::{Digest, Hasher};

pub(crate) use attributes::set_time;
pub use cache_mount::{CacheMount, CacheMountOptions, CacheSharing};
pub use error::SnapshotError;

use crate::error::StoreError;
use crate::lease::{Lease, remove_tree};
use crate::store::Store;

/// Where the kernel says which boot this is. Source: Linux, Documentation/admin-guide/sysctl/kernel.rst.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A directory that takes the changes of a process. Dropped without a commit, it is removed.
#[derive(Debug)]
pub struct Upper {
    /// Holds `fs` and `work`; empty once it was handed on.
    path: PathBuf,
}

impl Upper {
    /// Where changes go.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.path.join("fs")
    }

    /// Scratch directory of overlayfs, on the same file system.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Leaves both directories to the caller's lease. Overlayfs gets a fresh scratch directory, because one
    /// that was mounted without syncs cannot be used twice.
    #[must_use]
    pub fn keep(mut self) -> (PathBuf, PathBuf) {
        let path = std::mem::take(&mut self.path);
        let work = path.join("work");
        remove_tree(&work);
        let _ = fs::create_dir(&work);
        (path.join("fs"), work)
    }
}

impl Drop for Upper {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            remove_tree(&self.path);
        }
    }
}

/// How an upper directory becomes a layer.
#[derive(Debug, Clone, Default)]
pub struct CommitOptions {
    /// No time is later than this, in seconds since 1970; neither in the layer nor in the snapshot.
    pub clamp_mtime: Option<i64>,
    /// Places that were made to be mounted over, absolute inside the root, parents before children. Those that
    /// are still empty are not part of the layer.
    pub mount_points: Vec<PathBuf>,
}

impl Store {
    /// The directories of a chain of layers, the topmost first, as overlayfs wants them. What is not unpacked
    /// yet is unpacked now. The lease keeps the layers, and with them their snapshots.
    ///
    /// # Errors
    /// If a layer is missing, damaged, or cannot be unpacked here.
    pub fn snapshot(&self, lease: &Lease, chain: &[Digest]) -> Result<Vec<PathBuf>, SnapshotError> {
        let mut tree = Tree::new();
        let mut directories = vec![];
        for (at, diff_id) in chain.iter().enumerate() {
            let name = self.snapshot_name(&chain[..=at]);
            lease.hold_blob(&name)?;
            let path = self.root().join("snapshots").join(name.hex());
            if !self.is_valid(&path) {
                // The trees below are only needed to unpack, so they are only made then.
                for lower in &chain[tree.layers().len()..at] {
                    tree.apply(&self.layer_index(lower)?)?;
                }
                self.unpack(lease, diff_id, &mut tree, &path)?;
            }
            directories.push(path.join("fs"));
        }
        if directories.is_empty() {
            directories.push(self.empty_directory()?);
        }
        directories.reverse();
        Ok(directories)
    }

    /// Overlayfs needs a lower directory even where there is no layer.
    fn empty_directory(&self) -> Result<PathBuf, StoreError> {
        let path = self.root().join("snapshots/empty/fs");
        fs::create_dir_all(&path).map_err(StoreError::io("create", &path))?;
        Ok(path)
    }

    /// A directory for the changes of a process.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn upper(&self, lease: &Lease) -> Result<Upper, StoreError> {
        let path = lease.scratch_path()?;
        let upper = Upper { path };
        for directory in [&upper.path, &upper.dir(), &upper.work()] {
            fs::create_dir(directory).map_err(StoreError::io("create", directory))?;
        }
        attributes::open_root(&upper.dir()).map_err(StoreError::io("write", &upper.path))?;
        Ok(upper)
    }

    /// Makes a layer of what a process changed on top of `chain`, whose merged view is `tree`. The directory
    /// becomes the snapshot of the longer chain, without being copied.
    ///
    /// # Errors
    /// If it cannot be read, or the layer not be written.
    pub fn commit_upper(
        &self,
        lease: &Lease,
        mut upper: Upper,
        chain: &[Digest],
        tree: &Tree,
        options: &CommitOptions,
    ) -> Result<Arc<LayerIndex>, SnapshotError> {
        let directory = upper.dir();
        diff::remove_mount_points(&directory, &options.mount_points);
        let mut writer = self.layer_writer(lease)?;
        diff::write_layer(&directory, tree, options.clamp_mtime, &mut writer)?;
        let layer = self.commit_layer(lease, writer)?;
        let name = self.snapshot_name(&[chain, &[layer.diff_id]].concat());
        lease.hold_blob(&name)?;
        remove_tree(&upper.work());
        let path = self.root().join("snapshots").join(name.hex());
        let scratch = std::mem::take(&mut upper.path);
        if !self.publish(&scratch, &path)? {
            remove_tree(&scratch);
        }
        Ok(layer)
    }

    /// The key of a chain. It holds what decides how a snapshot looks on disk.
    fn snapshot_name(&self, chain: &[Digest]) -> Digest {
        let mut hasher = Hasher::sha256();
        hasher.update(b"kiln snapshot 1\0");
        hasher.update(&[u8::from(self.options.user_namespace)]);
        for diff_id in chain {
            hasher.update(diff_id.to_string().as_bytes());
        }
        hasher.finish()
    }

    fn is_valid(&self, path: &Path) -> bool {
        fs::read_to_string(path.join("boot")).is_ok_and(|boot| boot == self.boot_id())
    }

    fn boot_id(&self) -> String {
        fs::read_to_string(BOOT_ID).unwrap_or_default()
    }

    fn unpack(
        &self,
        lease: &Lease,
        diff_id: &Digest,
        tree: &mut Tree,
        path: &Path,
    ) -> Result<(), SnapshotError> {
        lease.hold_blob(diff_id)?;
        let scratch = lease.scratch_path()?;
        let fs_directory = scratch.join("fs");
        fs::create_dir(&scratch).map_err(StoreError::io("create", &scratch))?;
        fs::create_dir(&fs_directory).map_err(StoreError::io("create", &fs_directory))?;
        attributes::open_root(&fs_directory).map_err(StoreError::io("write", &fs_directory))?;
        let lower = tree.clone();
        let layer = self.layer_index(diff_id)?;
        tree.apply(&layer)?;
        let unpacking = unpack::Unpacking {
            root: &fs_directory,
            lower: &lower,
            merged: tree,
            layer: &layer,
            store: self,
            user_namespace: self.options.user_namespace,
        };
        let result = unpacking.run();
        if result.is_err() || !self.publish(&scratch, path)? {
            remove_tree(&scratch);
        }
        result
    }

    /// Gives a finished snapshot its name. False if another process was faster.
    fn publish(&self, scratch: &Path, path: &Path) -> Result<bool, StoreError> {
        let boot = scratch.join("boot");
        fs::write(&boot, self.boot_id()).map_err(StoreError::io("write", &boot))?;
        if path.exists() {
            if self.is_valid(path) {
                return Ok(false);
            }
            // Left from before a power cut.
            let old = scratch.with_extension("old");
            if fs::rename(path, &old).is_ok() {
                remove_tree(&old);
            }
        }
        match fs::rename(scratch, path) {
            Ok(()) => Ok(true),
            Err(_) if self.is_valid(path) => Ok(false),
            Err(error) => Err(StoreError::io("create", path)(error)),
        }
    }
}
