//! A little room that is kept for the moment when the disk is full.
//!
//! Making room takes room: a lease is a file, and SQLite maps a file of its own even to read. On a disk
//! that is full to the last block this file goes first, and comes back when a prune has made room.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::disk::sync_directory;

/// Bytes: enough for the files of both databases, a lease and its directories.
const SIZE: usize = 512 << 10;

pub(crate) fn path(root: &Path) -> PathBuf {
    root.join("reserve")
}

/// Gives the room back to the disk. Says whether there was any.
pub(crate) fn release(root: &Path) -> bool {
    let is_removed = fs::remove_file(path(root)).is_ok();
    if is_removed {
        // A file system with a journal hands blocks out again only when their removal is in it.
        let _ = sync_directory(root);
    }
    is_removed
}

/// Takes the room again, if it is not taken. A disk that has none keeps none.
pub(crate) fn refill(root: &Path) {
    let path = path(root);
    if fs::metadata(&path).is_ok_and(|data| data.len() == SIZE as u64) {
        return;
    }
    let fill = || -> io::Result<()> {
        // Not zeros: a file system that compresses would make nothing of them.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let bytes: Vec<u8> = (0..SIZE / 8)
            .flat_map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .collect();
        File::create(&path)?.write_all(&bytes)
    };
    if fill().is_err() {
        let _ = fs::remove_file(&path);
    }
}
