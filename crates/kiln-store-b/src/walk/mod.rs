//! Walking a build context: every entry with what the file system says of it, in parallel, sorted.
//!
//! Files of a context belong to root in the image, whoever owns them here, and their extended attributes stay
//! behind; that is how BuildKit has it. Sockets are passed over.

mod memo;

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use kiln_layer::entry::join_path;
use kiln_layer::{Entry, Kind, Time};
use rayon::prelude::*;

pub use memo::HashError;

/// What the filter says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is part of the context.
    Include,
    /// A directory that is not part of it, but something below may be.
    Descend,
    /// It is not part of it, and nothing below is.
    Skip,
}

/// A file of the context, as the memo knows it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) mtime: (i64, i64),
    pub(crate) ctime: (i64, i64),
}

/// A walked directory.
#[derive(Debug)]
pub struct Walk {
    /// Where it is.
    pub root: PathBuf,
    /// Its entries, sorted by path, directories before what is in them.
    pub entries: Vec<Entry>,
    pub(crate) stats: HashMap<Vec<u8>, Stat>,
    /// When the walk began, in nanoseconds since 1970.
    pub(crate) began: i128,
}

/// A context that cannot be walked.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`")]
pub struct WalkError {
    /// The file or directory.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

struct Found {
    path: Vec<u8>,
    data: Metadata,
    link: Option<Vec<u8>>,
}

/// Decides which paths (relative to the root) belong to the walk. The flag says whether it is a directory.
pub type Filter<'a> = dyn Fn(&[u8], bool) -> Decision + Sync + 'a;

/// Walks `root`. The root itself is not an entry.
///
/// # Errors
/// If a directory cannot be read. What vanishes meanwhile is passed over.
pub fn walk(root: &Path, filter: &Filter<'_>) -> Result<Walk, WalkError> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let began = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
    let mut found = directory(root, &[], filter)?;
    found.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut entries = Vec::with_capacity(found.len());
    let mut stats = HashMap::with_capacity(found.len());
    let mut links: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    for found in found {
        let stat = stat(&found.data);
        if found.data.is_file() {
            stats.insert(found.path.clone(), stat);
        }
        entries.push(entry(found, &mut links));
    }
    Ok(Walk {
        root: root.to_owned(),
        entries,
        stats,
        began,
    })
}

fn directory(root: &Path, path: &[u8], filter: &Filter<'_>) -> Result<Vec<Found>, WalkError> {
    let at = root.join(std::ffi::OsStr::from_bytes(path));
    let failed = |path: &Path, source| WalkError {
        path: path.to_owned(),
        source,
    };
    let reading = match fs::read_dir(&at) {
        Ok(reading) => reading,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_empty() => {
            return Ok(vec![]);
        }
        Err(error) => return Err(failed(&at, error)),
    };
    let (mut found, mut below) = (vec![], vec![]);
    for child in reading {
        let child = child.map_err(|error| failed(&at, error))?;
        let name = child.file_name().into_vec();
        let path = join_path(path, &name);
        let is_directory = child.file_type().is_ok_and(|kind| kind.is_dir());
        let decision = filter(&path, is_directory);
        if decision == Decision::Skip {
            continue;
        }
        if is_directory {
            below.push(path.clone());
        }
        if decision == Decision::Include {
            let data = match child.metadata() {
                Ok(data) => data,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&child.path(), error)),
            };
            if data.file_type().is_socket() {
                continue;
            }
            let link = match data.is_symlink() {
                true => Some(
                    fs::read_link(child.path()).map_err(|error| failed(&child.path(), error))?,
                ),
                false => None,
            };
            let link = link.map(|link| link.into_os_string().into_vec());
            found.push(Found { path, data, link });
        }
    }
    let below: Result<Vec<Vec<Found>>, WalkError> = below
        .par_iter()
        .map(|path| directory(root, path, filter))
        .collect();
    found.extend(below?.into_iter().flatten());
    Ok(found)
}

fn stat(data: &Metadata) -> Stat {
    Stat {
        device: data.dev(),
        inode: data.ino(),
        size: data.size(),
        mtime: (data.mtime(), data.mtime_nsec()),
        ctime: (data.ctime(), data.ctime_nsec()),
    }
}

fn entry(found: Found, links: &mut HashMap<(u64, u64), Vec<u8>>) -> Entry {
    let Found { path, data, link } = found;
    let kind = data.file_type();
    let device = (
        rustix::fs::major(data.rdev()),
        rustix::fs::minor(data.rdev()),
    );
    let kind = if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Symlink {
            target: link.unwrap_or_default(),
        }
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_char_device() {
        Kind::Char {
            major: device.0,
            minor: device.1,
        }
    } else if kind.is_block_device() {
        Kind::Block {
            major: device.0,
            minor: device.1,
        }
    } else if data.nlink() > 1 {
        match links.entry((data.dev(), data.ino())) {
            std::collections::hash_map::Entry::Occupied(first) => Kind::Hardlink {
                target: first.get().clone(),
            },
            std::collections::hash_map::Entry::Vacant(first) => {
                first.insert(path.clone());
                Kind::File { size: data.len() }
            }
        }
    } else {
        Kind::File { size: data.len() }
    };
    Entry {
        mode: if data.is_symlink() {
            0o777
        } else {
            data.mode() & 0o7777
        },
        mtime: Time {
            seconds: data.mtime(),
            nanos: u32::try_from(data.mtime_nsec()).unwrap_or(0),
        },
        ..Entry::new(path, kind)
    }
}
