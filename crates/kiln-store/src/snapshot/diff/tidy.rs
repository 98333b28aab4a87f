//! Brings an upper directory into the state that its layer describes.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use kiln_layer::entry::{clean_path, split_path};
use kiln_layer::{Kind, Time, Tree};
use rustix::fs::{AtFlags, FileType, Mode, mknodat, unlinkat, utimensat};

use super::super::error::SnapshotError;
use super::super::unpack::{open_directory, timestamps};
use super::scan::{Found, failed};
use super::{CommitOptions, Fate};

/// The time that a layer keeps: whole seconds, at most the given one.
pub(super) fn layer_time(time: Time, options: &CommitOptions) -> Time {
    let seconds = options.clamp_mtime.unwrap_or(i64::MAX).min(time.seconds);
    Time::from_seconds(seconds)
}

/// Drops the mount points that are new and still empty.
pub(super) fn drop_mount_points(
    found: &[Found],
    fates: &mut [Fate],
    tree: &Tree,
    options: &CommitOptions,
) {
    let paths = options.mount_points.iter();
    let paths = paths.filter_map(|path| clean_path(path.as_os_str().as_bytes()).ok());
    let mount_points: HashSet<Vec<u8>> = paths.collect();
    if mount_points.is_empty() {
        return;
    }
    let mut has_children = vec![false; found.len()];
    // From the back, so that a directory comes after all that is in it.
    for (number, item) in found.iter().enumerate().rev() {
        let is_empty = match item.entry.kind {
            Kind::Directory => !has_children[number],
            Kind::File { size } => size == 0 && item.links == 1,
            _ => false,
        };
        let path = &item.entry.path;
        if is_empty && mount_points.contains(path) && tree.get(path).is_none() {
            fates[number] = Fate::Dropped;
        }
        let stays = !matches!(fates[number], Fate::Dropped | Fate::Ignored);
        if let Some(parent) = item.parent.filter(|_| stays) {
            has_children[parent] = true;
        }
    }
}

/// Removes what was dropped and sets the times that the layer has.
pub(super) fn tidy(
    root: BorrowedFd<'_>,
    upper: &Path,
    found: &[Found],
    fates: &[Fate],
    tree: &Tree,
    options: &CommitOptions,
) -> Result<(), SnapshotError> {
    // From the back: children before their directories, whose times they change.
    for (number, item) in found.iter().enumerate().rev() {
        match fates[number] {
            Fate::Dropped => remove(root, upper, item)?,
            Fate::Ignored => {}
            Fate::Written if item.is_socket => {
                remove(root, upper, item)?;
                white_out(root, upper, item)?;
            }
            Fate::Written | Fate::Unchanged if item.entry.kind == Kind::Whiteout => {}
            Fate::Written => {
                let time = layer_time(item.entry.mtime, options);
                // Removed names change their directory's time once more.
                if time != item.entry.mtime || item.entry.kind == Kind::Directory {
                    set_time(root, upper, item, time)?;
                }
            }
            Fate::Unchanged => {
                if let Some(below) = tree.get(&item.entry.path)
                    && item.entry.kind == Kind::Directory
                {
                    set_time(root, upper, item, below.entry().mtime)?;
                }
            }
        }
    }
    Ok(())
}

fn remove(root: BorrowedFd<'_>, upper: &Path, item: &Found) -> Result<(), SnapshotError> {
    let path = &item.entry.path;
    let (parent, name) = split_path(path).unwrap_or((b"", path));
    let flags = match item.entry.kind {
        Kind::Directory => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    let parent = open_directory(root, parent).map_err(failed("open", upper, parent))?;
    unlinkat(parent, name, flags).map_err(failed("remove", upper, path))
}

/// Puts a whiteout where a socket hid what is below.
fn white_out(root: BorrowedFd<'_>, upper: &Path, item: &Found) -> Result<(), SnapshotError> {
    let path = &item.entry.path;
    let (parent, name) = split_path(path).unwrap_or((b"", path));
    let parent = open_directory(root, parent).map_err(failed("open", upper, parent))?;
    let made = mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), 0);
    made.map_err(failed("create the whiteout", upper, path))
}

fn set_time(
    root: BorrowedFd<'_>,
    upper: &Path,
    item: &Found,
    time: Time,
) -> Result<(), SnapshotError> {
    let path = &item.entry.path;
    let (parent, name) = split_path(path).unwrap_or((b"", path));
    let parent = open_directory(root, parent).map_err(failed("open", upper, parent))?;
    let times = timestamps(time);
    let set = utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW);
    set.map_err(failed("set the time of", upper, path))
}
