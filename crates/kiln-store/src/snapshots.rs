//! Snapshots and cache mounts of a store: the module [`snapshot`](crate::snapshot) wired to blobs,
//! indexes and leases.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_layer::{LayerIndex, Tree};
use kiln_oci::Digest;

use crate::error::StoreError;
use crate::lease::Lease;
use crate::lock::Interrupt;
use crate::snapshot::{
    CacheMount, CacheMountOptions, CommitOptions, Layers, Marks, SnapshotError, Snapshots, Upper,
};
use crate::store::{Store, StoreOptions};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The snapshots of the store at `root`.
pub(crate) fn open(root: &Path, options: &StoreOptions, interrupt: Interrupt) -> Snapshots {
    let marks = match options.user_namespace {
        true => Marks::User,
        false => Marks::Trusted,
    };
    Snapshots::new(root.join("snapshots"), marks).with_interrupt(interrupt)
}

impl Layers for Store {
    fn index(&self, diff_id: &Digest) -> Result<Arc<LayerIndex>, BoxError> {
        Ok(self.layer_index(diff_id)?)
    }

    fn tar(&self, diff_id: &Digest) -> Result<File, BoxError> {
        Ok(self.layer_tar(diff_id)?.try_clone()?)
    }
}

impl Store {
    /// The directories of a chain of layers, lowest layer first, as overlayfs wants them: the
    /// **topmost first**. What is not unpacked yet is unpacked now. They stay as long as the lease
    /// lives. Without layers it is one empty directory, because overlayfs needs one.
    ///
    /// # Errors
    /// If a layer is missing, damaged, or cannot be unpacked here.
    pub fn snapshot(&self, lease: &Lease, chain: &[Digest]) -> Result<Vec<PathBuf>, SnapshotError> {
        if chain.is_empty() {
            let empty = lease.work().join("empty");
            let made = std::fs::create_dir_all(&empty);
            made.map_err(|source| SnapshotError::Io {
                action: "create",
                path: empty.clone(),
                source,
            })?;
            return Ok(vec![empty]);
        }
        let snapshots = self.snapshots.snapshot(self, lease.work(), chain)?;
        let paths = snapshots.iter().map(|snapshot| snapshot.path().to_owned());
        let paths = paths.collect();
        lease.hold_snapshots(snapshots);
        Ok(paths)
    }

    /// Directories for the changes of a process.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn upper(&self, lease: &Lease) -> Result<Upper, SnapshotError> {
        self.snapshots.upper(lease.work())
    }

    /// Makes a layer of what a process changed on top of `chain`, whose merged view is `tree`. The
    /// directory becomes the snapshot of the longer chain, without being copied.
    ///
    /// # Errors
    /// If it cannot be read, or the layer not be written.
    pub fn commit_upper(
        &self,
        lease: &Lease,
        upper: Upper,
        chain: &[Digest],
        tree: &Tree,
        options: &CommitOptions,
    ) -> Result<Arc<LayerIndex>, SnapshotError> {
        let unwritable = |error: StoreError| SnapshotError::Io {
            action: "store a layer in",
            path: self.root().to_owned(),
            source: io::Error::other(error),
        };
        let mut writer = self.layer_writer(lease).map_err(unwritable)?;
        self.snapshots.diff(&upper, tree, options, &mut writer)?;
        let layer = self.commit_layer(lease, writer).map_err(unwritable)?;
        let longer: Vec<Digest> = chain.iter().copied().chain([layer.diff_id]).collect();
        lease.hold_snapshots(self.snapshots.adopt(upper, &longer)?);
        Ok(layer)
    }

    /// The cache called `id`, made if it is not there yet. Waits while somebody has it to
    /// themselves. It cannot be removed before the value is dropped.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn cache_mount(
        &self,
        id: &str,
        options: &CacheMountOptions<'_>,
    ) -> Result<CacheMount, SnapshotError> {
        self.cache_mounts.mount(id, options)
    }
}
