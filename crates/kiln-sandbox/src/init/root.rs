//! Mounting the root file system.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::overlay;
use crate::error::{SetUpError, Step};
use crate::spec::Root;

/// Mounts the root somewhere in this mount namespace and opens it. The place, a directory of the caller's, is
/// only hidden in here.
pub(super) fn mount(root: &Root) -> Result<OwnedFd, SetUpError> {
    let (mounted, place) = match root {
        Root::Directory(path) => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            let tree = open_tree(CWD, path, flags)
                .map_err(|errno| SetUpError::at(Step::MountRoot, path, errno))?;
            (tree, path.as_path())
        }
        Root::Overlay(overlay) => {
            let upper = overlay.upper.as_ref().map(|upper| upper.upper.as_path());
            let lowest = overlay.lowers.last().map(std::path::PathBuf::as_path);
            let place = upper.or(lowest).unwrap_or(Path::new("/"));
            (overlay::mount(overlay)?, place)
        }
    };
    let failed = |errno| SetUpError::at(Step::MountRoot, place, errno);
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&mounted, "", CWD, place, flags).map_err(failed)?;
    // The descriptor stands for the same mount, now that it has a place.
    Ok(mounted)
}
