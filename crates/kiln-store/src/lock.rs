//! File locks. They are the kernel's, so they end with whoever holds them, however that ends.
//!
//! A lock belongs to the open file, not to the descriptor: a process that another thread forks at
//! this moment has a copy of every descriptor until it executes its program, and so has every lock.
//! Closing the file is therefore not enough. [`FileLock`] unlocks, which counts for all copies.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
#[cfg(target_os = "linux")]
use std::sync::{
    atomic::Ordering,
    mpsc::{self, RecvTimeoutError},
};
#[cfg(target_os = "linux")]
use std::{thread, time::Duration};

use crate::error::StoreError;

/// An open file with a lock on it, which ends when the value is dropped.
#[derive(Debug)]
pub(crate) struct FileLock(File);

fn open(path: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path);
    file.map_err(StoreError::io("open", path))
}

/// Waits as often as a signal interrupts it.
fn patiently(mut wait: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match wait() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl FileLock {
    /// Waits for a lock that others may share. The file is made if it is not there.
    pub(crate) fn shared(path: &Path) -> Result<Self, StoreError> {
        Self::share(open(path)?).map_err(StoreError::io("lock", path))
    }

    /// Waits for a lock that nobody shares. The file is made if it is not there.
    pub(crate) fn exclusive(path: &Path) -> Result<Self, StoreError> {
        Self::own(open(path)?).map_err(StoreError::io("lock", path))
    }

    /// Takes the lock alone if nobody has it. The file is made if it is not there.
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>, StoreError> {
        let taken = Self::try_own(open(path)?);
        Ok(taken.map_err(StoreError::io("lock", path))?.ok())
    }

    /// Waits until an open file's lock can be shared.
    pub(crate) fn share(file: File) -> io::Result<Self> {
        patiently(|| file.lock_shared())?;
        Ok(Self(file))
    }

    /// Waits until an open file's lock can be had alone.
    pub(crate) fn own(file: File) -> io::Result<Self> {
        patiently(|| file.lock())?;
        Ok(Self(file))
    }

    /// Takes an open file's lock alone; gives the file back when somebody has it.
    pub(crate) fn try_own(file: File) -> io::Result<Result<Self, File>> {
        match file.try_lock() {
            Ok(()) => Ok(Ok(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(Err(file)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

/// The word that nobody needs what is waited for any more. Copies share it; at first it cannot be said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<OnceLock<Arc<AtomicBool>>>);

impl Interrupt {
    /// From now on the flag says it. The first one stays.
    pub(crate) fn listen_to(&self, flag: Arc<AtomicBool>) {
        let _ = self.0.set(flag);
    }
}

/// How often the flag is looked at.
#[cfg(target_os = "linux")]
const LOOK: Duration = Duration::from_millis(50);

#[cfg(target_os = "linux")]
impl FileLock {
    /// As [`share`](Self::share), but the wait ends with [`Interrupted`](io::ErrorKind::Interrupted) when the flag says
    /// so.
    pub(crate) fn share_unless(file: File, interrupt: &Interrupt) -> io::Result<Self> {
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => wait(file, interrupt, Self::share),
            result => Ok(result.map(|()| Self(file))?),
        }
    }

    /// As [`own`](Self::own), but the wait ends with [`Interrupted`](io::ErrorKind::Interrupted) when the flag says so.
    pub(crate) fn own_unless(file: File, interrupt: &Interrupt) -> io::Result<Self> {
        match Self::try_own(file)? {
            Ok(lock) => Ok(lock),
            Err(file) => wait(file, interrupt, Self::own),
        }
    }

    /// From now on the lock is shared. Others may have had it alone in between.
    pub(crate) fn become_shared(&self) -> io::Result<()> {
        patiently(|| self.0.lock_shared())
    }

    /// Makes a lock that may be shared one that is not. When others have it, too, the answer is
    /// `false` and the lock is lost.
    pub(crate) fn try_become_sole(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Has another thread wait, which the kernel wakes as soon as the lock is free, and looks at the flag meanwhile. A thread that
/// is left waiting gives the lock back when it gets it.
#[cfg(target_os = "linux")]
fn wait(
    file: File,
    interrupt: &Interrupt,
    take: fn(File) -> io::Result<FileLock>,
) -> io::Result<FileLock> {
    let Some(flag) = interrupt.0.get() else {
        return take(file);
    };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(take(file)));
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(taken) => return taken,
            Err(_) if flag.load(Ordering::SeqCst) => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the wait ended")),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // It cannot fail for a file that is open; and the lock ends with the last copy at any rate.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_value_though_a_copy_of_the_file_lives_on() {
        let scratch = kiln_testkit::TempDir::new();
        let path = scratch.join("lock");
        let held = FileLock::exclusive(&path).unwrap();
        // What a forked process has until it executes its program.
        let copy = held.file().try_clone().unwrap();
        assert!(FileLock::try_exclusive(&path).unwrap().is_none());
        drop(held);
        let again = FileLock::try_exclusive(&path).unwrap();
        assert!(again.is_some(), "the copy keeps the lock");
        drop(copy);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_wait_ends_with_the_lock_or_with_the_flag() {
        let scratch = kiln_testkit::TempDir::new();
        let path = scratch.join("lock");
        let held = FileLock::exclusive(&path).unwrap();
        let again = || File::open(&path).unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let interrupt = Interrupt::default();
        interrupt.listen_to(Arc::clone(&flag));
        thread::scope(|scope| {
            let waits = scope.spawn(|| FileLock::own_unless(again(), &interrupt));
            flag.store(true, Ordering::SeqCst);
            let error = waits.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        });
        flag.store(false, Ordering::SeqCst);
        thread::scope(|scope| {
            let waits = scope.spawn(|| FileLock::share_unless(again(), &interrupt));
            drop(held);
            assert!(waits.join().unwrap().is_ok());
        });
        // The wait that was given up does not keep what it got.
        assert!(FileLock::own_unless(again(), &interrupt).is_ok());
    }
}
