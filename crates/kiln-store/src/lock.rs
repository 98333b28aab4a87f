//! File locks. They are the kernel's, so they end with whoever holds them, however that ends.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::StoreError;

/// A lock that is held until dropped.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "held for its lock")] File);

fn open(path: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path);
    file.map_err(StoreError::io("open", path))
}

impl FileLock {
    /// Waits for a lock that others may share. The file is made if it is not there.
    pub(crate) fn shared(path: &Path) -> Result<Self, StoreError> {
        let file = open(path)?;
        file.lock_shared().map_err(StoreError::io("lock", path))?;
        Ok(Self(file))
    }

    /// Waits for a lock that nobody shares. The file is made if it is not there.
    pub(crate) fn exclusive(path: &Path) -> Result<Self, StoreError> {
        let file = open(path)?;
        file.lock().map_err(StoreError::io("lock", path))?;
        Ok(Self(file))
    }

    /// Takes the lock alone if nobody has it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>, StoreError> {
        Self::try_on(open(path)?, path)
    }

    /// Takes the lock of an open file alone if nobody has it.
    pub(crate) fn try_on(file: File, path: &Path) -> Result<Option<Self>, StoreError> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
        }
    }
}
