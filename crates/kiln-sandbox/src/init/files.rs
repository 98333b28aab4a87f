//! Files that stay in memory: secrets, scripts, `/etc/hosts`.
//!
//! They live in a tmpfs of the sandbox that is mounted nowhere; each is bound to its place.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};

use crate::error::{SetUpError, Step};

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

impl Memory {
    pub(super) fn new() -> Result<Self, SetUpError> {
        let mount = tmpfs(None, 0o755).map_err(|errno| SetUpError::new(Step::KeepFile, errno))?;
        Ok(Self { mount, count: 0 })
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
