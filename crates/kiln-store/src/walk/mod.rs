//! Walks a build context and knows its files' digests without reading them again.
//!
//! [`walk`] lists a directory on all cores. [`Memo`] remembers what a file's content was when it had
//! the same device, inode, size and times; what it does not know it reads, in parallel.

mod error;
mod fingerprint;
mod list;
mod memo;
mod store;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use kiln_layer::Entry;
use kiln_oci::Digest;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

pub use error::WalkError;
pub use list::walk;
pub use memo::{Memo, Unknown};

/// What a filter says about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It belongs to the result, and so does what is below it, if the filter says so there.
    Include,
    /// It is a directory that belongs to the result only if something below it does.
    Descend,
    /// Neither it nor anything below it belongs to the result.
    Skip,
}

/// What identifies one state of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Device number of the file system.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Bytes of content.
    pub size: u64,
    /// Last change of the content, in nanoseconds since 1970.
    pub mtime: i128,
    /// Last change of content or metadata, in nanoseconds since 1970.
    pub ctime: i128,
}

/// What was seen of an entry beside what it is.
#[derive(Debug)]
struct State {
    stamp: Stamp,
    /// Whether it is a regular file, by this name or another.
    is_file: bool,
}

/// A directory that was walked.
#[derive(Debug)]
pub struct Walk {
    /// What was found, without the root itself: directories before what is in them, names sorted as
    /// bytes. Owner and group are root and there are no extended attributes: as BuildKit takes
    /// contexts, so that whoever builds gets the same image. The second and later names of a file
    /// are [`Hardlink`](kiln_layer::Kind::Hardlink)s to the first that was found.
    pub entries: Vec<Entry>,
    root: PathBuf,
    directory: OwnedFd,
    /// The states of `entries`, in their order.
    states: Vec<State>,
    /// Where regular files are among `entries`, by every name; made when it is first needed.
    places: OnceLock<HashMap<Vec<u8>, usize>>,
    /// When the walk began.
    began: SystemTime,
    fingerprint: OnceLock<Option<Digest>>,
    /// What is known of the files' content, once somebody asked the store.
    memo: Mutex<Option<Memo>>,
}

impl Walk {
    /// The directory, as it was given.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The state in which a regular file was found, by any of its paths below the root.
    #[must_use]
    pub fn stamp(&self, path: &[u8]) -> Option<&Stamp> {
        let places = self.places.get_or_init(|| {
            let all = self.entries.iter().zip(&self.states).enumerate();
            let files = all.filter(|(_, (_, state))| state.is_file);
            files
                .map(|(place, (entry, _))| (entry.path.clone(), place))
                .collect()
        });
        Some(&self.states[*places.get(path)?].stamp)
    }

    /// The states of all regular files.
    fn stamps(&self) -> impl Iterator<Item = &Stamp> {
        let files = self.states.iter().filter(|state| state.is_file);
        files.map(|state| &state.stamp)
    }

    /// A digest of all that was found: names, kinds, modes, links, and the states of the files. As long as it
    /// is the same, so is every file's content. Nothing if that is not certain, because a file had been changed
    /// a moment before the walk: it could change again and have the same times.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Digest> {
        *self
            .fingerprint
            .get_or_init(|| fingerprint::fingerprint(self))
    }

    fn memo(&self) -> MutexGuard<'_, Option<Memo>> {
        self.memo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file by its path below the root. No link is followed: what was a file when it was
    /// found must be one now.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self, path: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        loop {
            return match openat2(&self.directory, path, flags, Mode::empty(), resolve) {
                Ok(file) => Ok(file.into()),
                // Something was renamed at the same time.
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(errno) => Err(errno.into()),
            };
        }
    }
}

/// Opens the root of a walk. Links on the way to it are followed.
fn open_root(root: &Path) -> Result<OwnedFd, WalkError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, root, flags, Mode::empty()).map_err(WalkError::io("open", root, b""))
}
