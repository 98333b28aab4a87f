//! From a finished scratch file to a blob with a name, at once or on a thread of its own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kiln_oci::Digest;

use crate::blob::{BlobWriter, path_of};
use crate::disk::sync_directory;
use crate::error::StoreError;

/// Syncs a finished scratch file and gives it its name.
pub(crate) fn publish(
    file: &File,
    path: &Path,
    root: &Path,
    digest: &Digest,
) -> Result<(), StoreError> {
    file.sync_data().map_err(StoreError::io("sync", path))?;
    let name = path_of(root, digest);
    fs::rename(path, &name).map_err(StoreError::io("create", &name))?;
    let directory = name.parent().unwrap_or(root);
    sync_directory(directory).map_err(StoreError::io("sync", directory))
}

/// Layers that are complete but not yet on disk for certain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<Digest, Arc<File>>,
    failed: Option<StoreError>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Begins to sync a layer and to name it.
    pub(crate) fn publish(&self, writer: BlobWriter, digest: Digest) -> Result<(), StoreError> {
        let (file, path, root) = writer.into_parts()?;
        let file = Arc::new(file);
        {
            let mut state = self.0.lock();
            if state.files.contains_key(&digest) {
                let _ = fs::remove_file(path);
                return Ok(());
            }
            state.files.insert(digest, Arc::clone(&file));
        }
        let shared = Arc::clone(&self.0);
        std::thread::spawn(move || {
            let result = publish(&file, &path, &root, &digest);
            if result.is_err() {
                let _ = fs::remove_file(&path);
            }
            let mut state = shared.lock();
            // By now it has its name, so there is no moment at which it is in neither place.
            state.files.remove(&digest);
            if let Err(error) = result {
                state.failed.get_or_insert(error);
            }
            shared.changed.notify_all();
        });
        Ok(())
    }

    pub(crate) fn open(&self, digest: &Digest) -> Option<Arc<File>> {
        self.0.lock().files.get(digest).map(Arc::clone)
    }

    /// Waits until all is on disk. A failure is told once.
    pub(crate) fn finish(&self) -> Result<(), StoreError> {
        self.settled().failed.take().map_or(Ok(()), Err)
    }

    /// Waits until nothing is on its way. A failure is left for the one who asks.
    pub(crate) fn wait(&self) {
        drop(self.settled());
    }

    fn settled(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock();
        while !state.files.is_empty() {
            let woken = self.0.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}
