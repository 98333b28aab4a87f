//! Opening a store.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kiln_layer::LayerIndex;
use kiln_oci::Digest;

use crate::blob::LastOpened;
use crate::cache::Used;
use crate::database::Database;
use crate::error::StoreError;
use crate::lease::{self, Lease};
use crate::lock::Interrupt;
use crate::pending::Pending;
use crate::{cache, refs, reserve};

/// How to open a store.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Whether this process is root only in a user namespace of its own. Snapshots made inside and
    /// outside differ.
    pub user_namespace: bool,
    /// How long to wait for another process that writes to a database.
    pub busy_timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            user_namespace: false,
            busy_timeout: Duration::from_secs(30),
        }
    }
}

/// A store of images, layers and results. Shared by reference between threads; any number of
/// processes may have the same one open.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    pub(crate) refs: Database,
    pub(crate) cache: Database,
    pub(crate) pending: Pending,
    pub(crate) last_opened: LastOpened,
    pub(crate) indexes: Mutex<HashMap<Digest, Arc<LayerIndex>>>,
    pub(crate) used: Used,
    interrupt: Interrupt,
    #[cfg(target_os = "linux")]
    pub(crate) snapshots: crate::snapshot::Snapshots,
    #[cfg(target_os = "linux")]
    pub(crate) cache_mounts: crate::snapshot::CacheMounts,
}

const DIRECTORIES: &[&str] = &[
    "blobs/sha256",
    "blobs/sha512",
    "leases",
    "work",
    "snapshots",
    "cache-mounts",
];

pub(crate) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

impl Store {
    /// Opens the store at `root`, which is made if it is not there, and removes what dead processes
    /// left. Where nothing can be written, an existing store can still be read.
    ///
    /// # Errors
    /// If the directory or a database cannot be used.
    pub fn open(root: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        match Self::open_once(root, options) {
            // A database wants a little room even to be read. Nothing could be pruned without it.
            Err(error) if error.is_disk_full() && reserve::release(root) => {
                Self::open_once(root, options)
            }
            result => result,
        }
    }

    fn open_once(root: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let layout = root.join("oci-layout");
        if !layout.exists() {
            create(root, &layout)?;
        }
        let busy = options.busy_timeout;
        let interrupt = Interrupt::default();
        let store = Self {
            root: root.to_owned(),
            refs: refs::open(&root.join("refs.db"), busy)?,
            cache: cache::open(&root.join("cache.db"), busy)?,
            pending: Pending::default(),
            last_opened: LastOpened::default(),
            indexes: Mutex::default(),
            used: Used::default(),
            #[cfg(target_os = "linux")]
            snapshots: crate::snapshots::open(root, options, interrupt.clone()),
            #[cfg(target_os = "linux")]
            cache_mounts: crate::snapshot::CacheMounts::new(root.join("cache-mounts"))
                .with_interrupt(interrupt.clone()),
            interrupt,
        };
        if !store.is_read_only() {
            lease::clean_dead(root)?;
        }
        Ok(store)
    }

    /// Once `flag` is set nothing waits any more for a cache mount that another step has, or for a layer that
    /// another process unpacks: that ends with an error. The first flag stays.
    pub fn stop_waiting_at(&self, flag: Arc<AtomicBool>) {
        self.interrupt.listen_to(flag);
    }

    /// The store's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether nothing can be written to it, because of its file system or its permissions.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.refs.is_read_only() || self.cache.is_read_only()
    }

    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        match self.is_read_only() {
            true => Err(StoreError::ReadOnly {
                root: self.root.clone(),
            }),
            false => Ok(()),
        }
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        lease::lock_path(&self.root)
    }

    /// Takes a lease.
    ///
    /// # Errors
    /// If it cannot be written, or the store is read-only.
    pub fn lease(&self) -> Result<Lease, StoreError> {
        self.check_writable()?;
        Lease::take(&self.root, &self.pending)
    }
}

fn create(root: &Path, layout: &Path) -> Result<(), StoreError> {
    for directory in DIRECTORIES {
        let path = root.join(directory);
        fs::create_dir_all(&path).map_err(StoreError::io("create", &path))?;
    }
    reserve::refill(root);
    // Last, and as a whole: its presence says that the rest is there.
    let partial = layout.with_extension(format!("new-{}", std::process::id()));
    fs::write(&partial, LAYOUT).map_err(StoreError::io("write", &partial))?;
    fs::rename(&partial, layout).map_err(StoreError::io("create", layout))
}

impl Drop for Store {
    fn drop(&mut self) {
        // Whoever needed the result of the sync asked for it.
        let _ = self.pending.finish();
        self.record_use();
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    seconds(SystemTime::now())
}

/// A time in seconds since 1970; what is before counts as 1970.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Whether an error only says that something is not there.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}
