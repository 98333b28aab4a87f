//! Leases: what a running kiln counts on.
//!
//! A lease is a file in `leases/` that its process keeps locked. It lists the content that must not
//! be removed, one digest a line. Lines are only added under the store's shared lock, and content is
//! only removed under its exclusive lock after all lists were read, so nothing gets between "is it
//! there?" and "I need it". `work/<id>/` takes the lease's scratch files, half-written blobs
//! included.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_oci::{Digest, Image};

use crate::disk::{remove_tree, touch};
use crate::error::StoreError;
use crate::lock::FileLock;
use crate::pending::Pending;
use crate::store::is_missing;

/// Keeps content from being collected and owns a scratch directory. Dropping it ends both.
#[derive(Debug)]
pub struct Lease {
    /// Locked as long as the lease lives.
    list: FileLock,
    path: PathBuf,
    root: PathBuf,
    work: PathBuf,
    held: Mutex<HashSet<Digest>>,
    next: AtomicU64,
    pending: Pending,
    #[cfg(target_os = "linux")]
    snapshots: Mutex<Vec<crate::snapshot::Snapshot>>,
}

/// Tells leases of one process apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The file whose lock orders leases and collection.
pub(crate) fn lock_path(root: &Path) -> PathBuf {
    root.join("store.lock")
}

impl Lease {
    pub(crate) fn take(root: &Path, pending: &Pending) -> Result<Self, StoreError> {
        // Who cleans must not meet the file before it is locked.
        let _shared = FileLock::shared(&lock_path(root))?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{}-{number}", std::process::id(), now.as_nanos());
        let path = root.join("leases").join(&id);
        let file = File::create_new(&path).map_err(StoreError::io("create", &path))?;
        let list = FileLock::own(file).map_err(StoreError::io("lock", &path))?;
        let work = root.join("work").join(&id);
        fs::create_dir(&work).map_err(StoreError::io("create", &work))?;
        Ok(Self {
            list,
            path,
            root: root.to_owned(),
            work,
            held: Mutex::default(),
            next: AtomicU64::new(0),
            pending: pending.clone(),
            #[cfg(target_os = "linux")]
            snapshots: Mutex::default(),
        })
    }

    /// From now on `digest` is not collected, and counts as used now. Look for it only after this.
    ///
    /// # Errors
    /// If the lease cannot be written.
    pub fn hold_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        self.hold([*digest])
    }

    /// From now on nothing of `image` is collected, neither its blobs nor its uncompressed layers.
    ///
    /// # Errors
    /// If the lease cannot be written.
    pub fn hold_image(&self, image: &Image) -> Result<(), StoreError> {
        let layers = image.manifest.layers.iter().map(|layer| layer.digest);
        let diff_ids = image.config.rootfs.diff_ids.iter().copied();
        let documents = [image.manifest.digest(), image.config.digest()];
        self.hold(layers.chain(diff_ids).chain(documents))
    }

    fn hold(&self, digests: impl IntoIterator<Item = Digest>) -> Result<(), StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |digest: &Digest| !held.contains(digest);
        let new: Vec<Digest> = digests.into_iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let _shared = FileLock::shared(&lock_path(&self.root))?;
        let lines: String = new.iter().map(|digest| format!("{digest}\n")).collect();
        let mut list = self.list.file();
        list.write_all(lines.as_bytes())
            .map_err(StoreError::io("write", &self.path))?;
        for digest in &new {
            touch(&crate::blob::path_of(&self.root, digest));
        }
        held.extend(new);
        Ok(())
    }

    /// Keeps a snapshot from being removed.
    #[cfg(target_os = "linux")]
    pub(crate) fn hold_snapshots(
        &self,
        snapshots: impl IntoIterator<Item = crate::snapshot::Snapshot>,
    ) {
        let mut held = self
            .snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        held.extend(snapshots);
    }

    /// A path for a scratch file or directory that does not exist yet. It is gone with the lease,
    /// and after a crash with the next start. It lies in the store's file system.
    ///
    /// # Errors
    /// None today; the signature leaves room.
    pub fn scratch_path(&self) -> Result<PathBuf, StoreError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(self.work.join(number.to_string()))
    }

    /// The directory in which scratch paths lie.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What is still being synced lies in the scratch directory.
        self.pending.wait();
        // The list goes last: it is what says that there may be scratch files.
        if remove_tree(&self.work).is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The content that leases count on.
pub(crate) fn all_held(root: &Path) -> Result<HashSet<Digest>, StoreError> {
    let leases = root.join("leases");
    let mut held = HashSet::new();
    for entry in fs::read_dir(&leases).map_err(StoreError::io("read", &leases))? {
        let path = entry.map_err(StoreError::io("read", &leases))?.path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // Its lease ended just now.
            Err(error) if is_missing(&error) => continue,
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        held.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
    }
    Ok(held)
}

/// Removes what processes left that are gone. Skipped while another process takes leases: whoever
/// comes next does it.
pub(crate) fn clean_dead(root: &Path) -> Result<(), StoreError> {
    let leases = root.join("leases");
    let failed = || StoreError::io("read", &leases);
    let mut entries = fs::read_dir(&leases).map_err(failed())?.peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let mut dead = vec![];
    {
        let Some(_exclusive) = FileLock::try_exclusive(&lock_path(root))? else {
            return Ok(());
        };
        for entry in entries {
            let path = entry.map_err(failed())?.path();
            let file = match File::options().read(true).write(true).open(&path) {
                Ok(file) => file,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(StoreError::io("open", &path)(error)),
            };
            if let Ok(lock) = FileLock::try_own(file).map_err(StoreError::io("lock", &path))? {
                dead.push((path, lock));
            }
        }
    }
    // Outside of the store's lock: there may be much to remove. The lease's own lock keeps others off.
    for (path, _lock) in dead {
        let id = path.file_name().unwrap_or_default();
        if remove_tree(&root.join("work").join(id)).is_ok() {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}
