//! How much of the disk a directory takes.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::error::SnapshotError;

/// Bytes of disk blocks that `path` and all below it take, files with several names counted once.
/// What goes away meanwhile counts nothing.
pub(super) fn disk_usage(path: &Path) -> Result<u64, SnapshotError> {
    let mut total = 0;
    let mut seen = HashSet::new();
    let mut pending = vec![path.to_path_buf()];
    while let Some(path) = pending.pop() {
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(SnapshotError::io("look at", path)(error)),
        };
        let is_new = metadata.nlink() < 2
            || metadata.is_dir()
            || seen.insert((metadata.dev(), metadata.ino()));
        if is_new {
            total += metadata.blocks() * 512;
        }
        if metadata.is_dir() {
            match fs::read_dir(&path) {
                Ok(entries) => pending.extend(entries.flatten().map(|entry| entry.path())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(SnapshotError::io("list", path)(error)),
            }
        }
    }
    Ok(total)
}

/// Lets the owner into all directories below `path`, so that it can be removed. What fails here
/// fails again, with a word, when it is removed.
pub(super) fn open_up(path: &Path) {
    let mut pending = vec![path.to_path_buf()];
    while let Some(path) = pending.pop() {
        let is_directory = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        if is_directory {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        }
    }
}
