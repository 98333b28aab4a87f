//! Leases: what a running kiln counts on.
//!
//! A lease is a file in `leases/` that its process keeps locked. It lists the content that must not be
//! removed, one line each. Lines are only added under the store's shared lock, and content is only removed
//! under its exclusive lock after all lists were read, so nothing goes between "is it there?" and "I need it".

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_oci::{Digest, Image};
use rustix::fs::{FlockOperation, flock};

use crate::error::StoreError;
use crate::lock::FileLock;

/// Keeps content from being collected and owns a scratch directory. Dropping it removes both.
#[derive(Debug)]
pub struct Lease {
    file: File,
    path: PathBuf,
    work: PathBuf,
    store_lock: PathBuf,
    held: Mutex<HashSet<Digest>>,
    next: AtomicU64,
}

/// Tells leases of one process apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl Lease {
    /// Takes a lease in the store at `root`.
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        let store_lock = root.join("store.lock");
        let _shared = FileLock::shared(&store_lock)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{}-{number}", std::process::id(), now.as_nanos());
        let path = root.join("leases").join(&id);
        let file = File::create_new(&path).map_err(StoreError::io("create", &path))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| StoreError::io("lock", &path)(error.into()))?;
        let work = root.join("work").join(&id);
        fs::create_dir(&work).map_err(StoreError::io("create", &work))?;
        let (held, next) = (Mutex::default(), AtomicU64::new(0));
        Ok(Self {
            file,
            path,
            work,
            store_lock,
            held,
            next,
        })
    }

    /// From now on `digest` is not collected. Look for it only after this.
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
        let new: Vec<Digest> = digests
            .into_iter()
            .filter(|digest| !held.contains(digest))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let _shared = FileLock::shared(&self.store_lock)?;
        let lines: String = new.iter().map(|digest| format!("{digest}\n")).collect();
        (&self.file)
            .write_all(lines.as_bytes())
            .map_err(StoreError::io("write", &self.path))?;
        held.extend(new);
        Ok(())
    }

    /// A path for a scratch file or directory that does not exist yet. It is gone with the lease, and after a
    /// crash with the next start.
    ///
    /// # Errors
    /// None today; the signature leaves room.
    pub fn scratch_path(&self) -> Result<PathBuf, StoreError> {
        Ok(self
            .work
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        remove_tree(&self.work);
        let _ = fs::remove_file(&self.path);
    }
}

/// The content that living leases count on.
///
/// # Errors
/// If the leases cannot be read.
pub(crate) fn all_held(root: &Path) -> Result<HashSet<Digest>, StoreError> {
    let leases = root.join("leases");
    let mut held = HashSet::new();
    for entry in fs::read_dir(&leases).map_err(StoreError::io("read", &leases))? {
        let path = entry.map_err(StoreError::io("read", &leases))?.path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        held.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
    }
    Ok(held)
}

/// Removes what processes left that are gone. Skipped while another process takes leases: whoever comes next
/// does it.
pub(crate) fn clean_dead(root: &Path) -> Result<(), StoreError> {
    let leases = root.join("leases");
    let mut entries = fs::read_dir(&leases)
        .map_err(StoreError::io("read", &leases))?
        .peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    let Some(_exclusive) = FileLock::try_exclusive(&root.join("store.lock"))? else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.map_err(StoreError::io("read", &leases))?.path();
        if FileLock::try_exclusive(&path)?.is_some() {
            let id = path.file_name().unwrap_or_default();
            remove_tree(&root.join("work").join(id));
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Removes a directory even where something in it was made unreadable: a RUN may leave directories without
/// any permission, which their owner must change first. What cannot be removed stays for the next start.
pub(crate) fn remove_tree(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return;
    }
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        let directories = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        pending.extend(directories.map(|entry| entry.path()));
    }
    let _ = fs::remove_dir_all(path);
}
