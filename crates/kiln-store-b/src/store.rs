//! Opening a store.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_layer::LayerIndex;
use kiln_oci::Digest;

use crate::blob::Pending;
use crate::database::Database;
use crate::error::StoreError;
use crate::lease::{self, Lease};
use crate::{cache, refs};

/// How to open a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreOptions {
    /// Whether this process is root only in a user namespace of its own. Snapshots made inside and outside
    /// differ.
    pub user_namespace: bool,
}

/// A store of images, layers and results. Shared by reference between threads.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    pub(crate) options: StoreOptions,
    pub(crate) refs: Database,
    pub(crate) cache: Database,
    pub(crate) pending: Pending,
    pub(crate) indexes: Mutex<HashMap<Digest, Arc<LayerIndex>>>,
}

const DIRECTORIES: &[&str] = &[
    "blobs/sha256",
    "blobs/sha512",
    "leases",
    "work",
    "snapshots",
    "cache-mounts",
];

impl Store {
    /// Opens the store at `root`, which is made if it is not there, and removes what dead processes left.
    ///
    /// # Errors
    /// If the directory or a database cannot be used.
    pub fn open(root: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let layout = root.join("oci-layout");
        if !layout.exists() {
            for directory in DIRECTORIES {
                let path = root.join(directory);
                fs::create_dir_all(&path).map_err(StoreError::io("create", &path))?;
            }
            // Written last: its presence says that the rest is there.
            fs::write(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#)
                .map_err(StoreError::io("write", &layout))?;
        }
        let store = Self {
            root: root.to_owned(),
            options: *options,
            refs: refs::open(&root.join("refs.db"))?,
            cache: cache::open(&root.join("cache.db"))?,
            pending: Pending::default(),
            indexes: Mutex::default(),
        };
        lease::clean_dead(root)?;
        Ok(store)
    }

    /// The store's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes a lease.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn lease(&self) -> Result<Lease, StoreError> {
        Lease::take(&self.root)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.pending.finish();
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
