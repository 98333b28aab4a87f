//! What the file system knows: blocks on disk, times of use, trees to be removed.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::StoreError;
use crate::store::{is_missing, seconds};

/// Bytes of disk blocks of a file or directory itself.
#[cfg(unix)]
fn blocks(data: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    data.blocks() * 512
}

/// Bytes of a file: what comes nearest where the file system tells no more.
#[cfg(not(unix))]
fn blocks(data: &Metadata) -> u64 {
    data.len()
}

/// What tells files with several names apart; nothing for those with one.
#[cfg(unix)]
fn shared_inode(data: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    (data.nlink() > 1 && !data.is_dir()).then(|| (data.dev(), data.ino()))
}

#[cfg(not(unix))]
fn shared_inode(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Bytes of disk blocks that `path` and all below it take. A file with several names counts once,
/// what goes away meanwhile not at all.
pub(crate) fn disk_usage(path: &Path) -> Result<u64, StoreError> {
    let mut seen = HashSet::new();
    let mut pending = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(path) = pending.pop() {
        let data = match fs::symlink_metadata(&path) {
            Ok(data) => data,
            Err(error) if is_missing(&error) => continue,
            Err(error) => return Err(StoreError::io("look at", &path)(error)),
        };
        if shared_inode(&data).is_none_or(|inode| seen.insert(inode)) {
            bytes += blocks(&data);
        }
        if data.is_dir() {
            pending.extend(list(&path)?);
        }
    }
    Ok(bytes)
}

/// Blocks of one file and when it was used last, in seconds since 1970.
pub(crate) fn size_and_use(path: &Path) -> Result<Option<(u64, i64)>, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(data) => {
            let used = data.modified().map_or(0, seconds);
            Ok(Some((blocks(&data), used)))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(StoreError::io("look at", path)(error)),
    }
}

/// The paths in a directory; none if it is not there.
pub(crate) fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = || StoreError::io("read", directory);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(vec![]),
        Err(error) => return Err(failed()(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<Result<_, _>>().map_err(failed())
}

/// Says that a blob is used now. The content of a blob never changes, so its time of modification is
/// free to tell this; the time of access depends on mount options.
pub(crate) fn touch(path: &Path) {
    if let Ok(file) = File::open(path) {
        // A time that cannot be set makes the blob look older than it is.
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Removes a directory and all in it, also where a RUN left directories that keep even their owner
/// out. What is not there is fine.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if is_missing(&error) && fs::symlink_metadata(path).is_err() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

#[cfg(unix)]
fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        if fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir()) {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        }
    }
}

#[cfg(not(unix))]
fn open_up(_: &Path) {}

/// Makes the names in a directory survive a power cut.
#[cfg(unix)]
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere directories cannot be synced; the file system's journal has to do.
#[cfg(not(unix))]
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Reads at a position without moving any other reader's.
#[cfg(unix)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

/// Reads at a position. The file's own position moves, which nobody looks at.
#[cfg(windows)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}
