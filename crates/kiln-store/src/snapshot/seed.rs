//! A plain copy of a directory, for caches that start with something in them.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, chownat, mknodat, utimensat,
};

use super::error::SnapshotError;

/// Copies all that is in `from` into the directory `to`: files, links and pipes with owner, mode and
/// time. What is neither of these, such as the marks of an overlay, is left out.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let mut pending = vec![(from.to_path_buf(), to.to_path_buf())];
    let mut directories = Vec::new();
    while let Some((from, to)) = pending.pop() {
        let failed = || SnapshotError::io("list", &from);
        for entry in fs::read_dir(&from).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            let (from, to) = (from.join(&name), to.join(&name));
            let metadata = fs::symlink_metadata(&from);
            let metadata = metadata.map_err(SnapshotError::io("look at", &from))?;
            let kind = metadata.file_type();
            if kind.is_dir() {
                fs::create_dir(&to).map_err(SnapshotError::io("create", &to))?;
                directories.push((to.clone(), metadata));
                pending.push((from, to));
            } else if kind.is_file() || kind.is_symlink() || kind.is_fifo() {
                copy_file(&from, &to, &metadata)?;
                finish(&to, &metadata)?;
            }
        }
    }
    // Their times last: every file in them changes these.
    directories
        .iter()
        .rev()
        .try_for_each(|(path, metadata)| finish(path, metadata))
}

fn copy_file(from: &Path, to: &Path, metadata: &fs::Metadata) -> Result<(), SnapshotError> {
    let failed = SnapshotError::io("copy", from);
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let copied = fs::read_link(from).and_then(|target| std::os::unix::fs::symlink(target, to));
        return copied.map_err(failed);
    }
    if kind.is_fifo() {
        let made = mknodat(CWD, to, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        return made.map_err(|errno| failed(errno.into()));
    }
    fs::copy(from, to).map(drop).map_err(failed)
}

fn finish(path: &Path, metadata: &fs::Metadata) -> Result<(), SnapshotError> {
    let (uid, gid) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let owned = chownat(CWD, path, Some(uid), Some(gid), flags);
    owned.map_err(SnapshotError::io("set the owner of", path))?;
    if !metadata.is_symlink() {
        let mode = fs::Permissions::from_mode(metadata.mode() & 0o7777);
        fs::set_permissions(path, mode).map_err(SnapshotError::io("set the mode of", path))?;
    }
    let time = |seconds, nanos| Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    };
    let times = Timestamps {
        last_access: time(metadata.atime(), metadata.atime_nsec()),
        last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
    };
    let set = utimensat(CWD, path, &times, flags);
    set.map_err(SnapshotError::io("set the time of", path))
}
