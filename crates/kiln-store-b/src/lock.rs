//! File locks. They are the kernel's, so they end with whoever holds them.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::error::StoreError;

/// A lock that is held until dropped.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "held for its lock")] File);

fn open(path: &Path) -> Result<File, StoreError> {
    let options = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path);
    options.map_err(StoreError::io("open", path))
}

fn wait(path: &Path, operation: FlockOperation) -> Result<FileLock, StoreError> {
    let file = open(path)?;
    loop {
        match flock(&file, operation) {
            Ok(()) => return Ok(FileLock(file)),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(StoreError::io("lock", path)(error.into())),
        }
    }
}

impl FileLock {
    /// Waits for a lock that others may share.
    pub(crate) fn shared(path: &Path) -> Result<Self, StoreError> {
        wait(path, FlockOperation::LockShared)
    }

    /// Waits for a lock that nobody shares.
    pub(crate) fn exclusive(path: &Path) -> Result<Self, StoreError> {
        wait(path, FlockOperation::LockExclusive)
    }

    /// Takes the lock if nobody has it.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(StoreError::io("lock", path)(io::Error::from(error))),
        }
    }
}
