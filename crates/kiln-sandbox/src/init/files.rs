//! Files that stay in memory: secrets, scripts, `/etc/hosts`.
//!
//! They live in a tmpfs that only the sandbox's own mount namespace has, and each is bound to its place.
//! The tmpfs is never swapped out where the kernel can promise that.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount,
    open_tree, unmount,
};

use crate::error::{SetUpError, Step};

/// Where the file system is mounted for as long as files are made: before Linux 6.15 nothing can be bound
/// out of a mount that has no place. Nothing else is looked up below it meanwhile.
const PLACE: &str = "/sys";

/// A file system in memory. What is in it is gone when the last mount of it is.
pub(super) struct Memory {
    mount: OwnedFd,
    count: usize,
}

/// Makes a tmpfs that is mounted nowhere yet. The size is in bytes; nothing is the kernel's default.
pub(super) fn tmpfs(size: Option<u64>, mode: u32) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "mode", format!("{mode:o}"))?;
    if let Some(size) = size {
        fsconfig_set_string(&fs, "size", size.to_string())?;
    }
    fsconfig_create(&fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A tmpfs that stays out of swap space: of Linux 6.4, and refused in a user namespace.
fn unswapped() -> rustix::io::Result<OwnedFd> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "mode", "755")?;
    fsconfig_set_flag(&fs, "noswap")?;
    fsconfig_create(&fs)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

impl Memory {
    pub(super) fn new() -> Result<Self, SetUpError> {
        let failed = |errno| SetUpError::new(Step::KeepFile, errno);
        let mount = unswapped()
            .or_else(|_| tmpfs(None, 0o755))
            .map_err(failed)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(&mount, "", CWD, PLACE, flags).map_err(failed)?;
        Ok(Self { mount, count: 0 })
    }

    /// Takes the file system out of sight again; the files that were made stay.
    pub(super) fn close(self) -> Result<(), SetUpError> {
        let flags = UnmountFlags::DETACH;
        unmount(PLACE, flags).map_err(|errno| SetUpError::new(Step::KeepFile, errno))
    }

    /// Makes a file and gives it as a mount of its own.
    pub(super) fn file(
        &mut self,
        content: &[u8],
        mode: u32,
        owner: (u32, u32),
    ) -> Result<OwnedFd, SetUpError> {
        let failed = |errno| SetUpError::new(Step::KeepFile, errno);
        self.count += 1;
        let name = self.count.to_string();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.mount, &name, flags, Mode::from_raw_mode(0o600));
        let file = File::from(file.map_err(failed)?);
        (&file).write_all(content).map_err(|error| {
            failed(rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))
        })?;
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        rustix::fs::fchown(&file, Some(uid), Some(gid)).map_err(|errno| {
            failed(errno).hint("the owner of this file is not among the ids that this user may use")
        })?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(failed)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        open_tree(&self.mount, &name, flags).map_err(failed)
    }
}
