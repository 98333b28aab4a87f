//! Mounting the root file system.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::error::{SetUpError, Step};
use crate::spec::{Overlay, Root};

/// As many layers as Linux stacks (`OVL_MAX_STACK`).
const MOST_LAYERS: usize = 500;

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
            (mount_overlay(overlay)?, place)
        }
    };
    let failed = |errno| SetUpError::at(Step::MountRoot, place, errno);
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&mounted, "", CWD, place, flags).map_err(failed)?;
    rustix::fs::open(
        place,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(failed)
}

/// Stacks directories. The result is mounted nowhere yet.
pub(crate) fn mount_overlay(overlay: &Overlay) -> Result<OwnedFd, SetUpError> {
    let failed = |errno| SetUpError::new(Step::MountRoot, errno);
    if overlay.lowers.len() > MOST_LAYERS {
        return Err(failed(Errno::TOOBIG).hint(format!(
            "the image has {} layers, and Linux stacks at most {MOST_LAYERS}",
            overlay.lowers.len()
        )));
    }
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| failed(errno).hint("this kernel has no overlayfs; see `kiln doctor`"))?;
    for lower in &overlay.lowers {
        // Linux 6.7 and newer take one layer at a time; before that, all in one string.
        match fsconfig_set_string(&fs, "lowerdir+", lower.as_path()) {
            Ok(()) => {}
            Err(Errno::INVAL) => return mount_overlay_by_string(overlay),
            Err(errno) => return Err(SetUpError::at(Step::MountRoot, lower, errno)),
        }
    }
    let set = |key: &str, value: &Path| {
        fsconfig_set_string(&fs, key, value)
            .map_err(|errno| SetUpError::at(Step::MountRoot, value, errno))
    };
    let mut attributes = MountAttrFlags::empty();
    match &overlay.upper {
        Some(upper) => {
            set("upperdir", &upper.upper)?;
            set("workdir", &upper.work)?;
            if upper.volatile {
                fsconfig_set_flag(&fs, "volatile").map_err(failed)?;
            }
        }
        None => attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY,
    }
    if crate::userns::inside() {
        // It implies that directories are not redirected, and conflicts with saying so.
        fsconfig_set_flag(&fs, "userxattr").map_err(failed)?;
    } else {
        for option in ["redirect_dir", "metacopy", "index"] {
            // A kernel that was built without one of them does what "off" means.
            let _ = fsconfig_set_string(&fs, option, "off");
        }
    }
    fsconfig_create(&fs).map_err(|errno| {
        let error = failed(errno);
        match errno {
            Errno::INVAL | Errno::PERM | Errno::OPNOTSUPP => error.hint(
                "the file system that holds kiln's store cannot be stacked (is it an overlay itself, or on \
                 a network?); set KILN_HOME to another one",
            ),
            _ => error,
        }
    })?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed)
}

/// For kernels before 6.7: all layers in one option of at most a page, with paths relative to the working
/// directory to save room.
fn mount_overlay_by_string(overlay: &Overlay) -> Result<OwnedFd, SetUpError> {
    let failed = |errno| SetUpError::new(Step::MountRoot, errno);
    let base = overlay
        .lowers
        .first()
        .and_then(|lower| lower.parent()?.parent());
    let base = base.unwrap_or(Path::new("/"));
    let mut lowers = vec![];
    for lower in &overlay.lowers {
        if !lowers.is_empty() {
            lowers.push(b':');
        }
        let path = lower.strip_prefix(base).unwrap_or(lower);
        for byte in path.as_os_str().as_bytes() {
            if matches!(byte, b':' | b'\\' | b',') {
                lowers.push(b'\\');
            }
            lowers.push(*byte);
        }
    }
    if lowers.len() > 4000 {
        return Err(failed(Errno::TOOBIG).hint(format!(
            "{} layers are too many for this kernel; Linux 6.7 and newer stack up to {MOST_LAYERS}",
            overlay.lowers.len()
        )));
    }
    let before = rustix::process::getcwd(Vec::new()).map_err(failed)?;
    rustix::process::chdir(base).map_err(failed)?;
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
    fsconfig_set_string(&fs, "lowerdir", std::ffi::OsStr::from_bytes(&lowers)).map_err(failed)?;
    if let Some(upper) = &overlay.upper {
        fsconfig_set_string(&fs, "upperdir", upper.upper.as_path()).map_err(failed)?;
        fsconfig_set_string(&fs, "workdir", upper.work.as_path()).map_err(failed)?;
    }
    if crate::userns::inside() {
        fsconfig_set_flag(&fs, "userxattr").map_err(failed)?;
    }
    fsconfig_create(&fs).map_err(failed)?;
    rustix::process::chdir(before).map_err(failed)?;
    let attributes = match overlay.upper {
        Some(_) => MountAttrFlags::empty(),
        None => MountAttrFlags::MOUNT_ATTR_RDONLY,
    };
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed)
}
