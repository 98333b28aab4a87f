//! Whether a file of the upper directory is only an unchanged copy of what is below.

use std::io::Read as _;
use std::os::fd::BorrowedFd;
use std::path::Path;

use kiln_layer::{Kind, Node};
use kiln_oci::Hasher;

use super::super::attributes::committed;
use super::super::error::SnapshotError;
use super::scan::{Found, open_file};

/// Whether `item` and `below`, which have one path, are the same.
pub(super) fn is_unchanged(
    root: BorrowedFd<'_>,
    upper: &Path,
    item: &Found,
    below: Node<'_>,
) -> Result<bool, SnapshotError> {
    let (new, old) = (&item.entry, below.entry());
    let same_owner = (new.uid, new.gid) == (old.uid, old.gid);
    // Links have no mode of their own, but archives store one.
    let same_mode = new.mode == old.mode || matches!(new.kind, Kind::Symlink { .. });
    if !same_owner || !same_mode || new.kind != old.kind {
        return Ok(false);
    }
    if new.xattrs != committed(&old.xattrs) {
        return Ok(false);
    }
    // A directory's time changes with every name in it, which says nothing about itself.
    if new.kind == Kind::Directory {
        return Ok(true);
    }
    if new.mtime != old.mtime {
        return Ok(false);
    }
    match new.kind {
        Kind::File { size } if size > 0 && new.mtime.nanos == 0 => {
            same_content(root, upper, item, below)
        }
        _ => Ok(true),
    }
}

fn same_content(
    root: BorrowedFd<'_>,
    upper: &Path,
    item: &Found,
    below: Node<'_>,
) -> Result<bool, SnapshotError> {
    let Some(old) = below.content() else {
        return Ok(false);
    };
    let mut file = open_file(root, upper, &item.entry.path)?;
    let mut hasher = Hasher::new(old.algorithm());
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = file.read(&mut buffer);
        match read.map_err(SnapshotError::io(
            "read",
            upper.join(&*item.entry.display_path()),
        ))? {
            0 => break,
            len => hasher.update(&buffer[..len]),
        }
    }
    Ok(hasher.finish() == *old)
}
