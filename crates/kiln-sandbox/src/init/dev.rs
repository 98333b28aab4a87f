//! `/dev`: a directory in memory with the harmless devices, terminals, shared memory and message queues.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, makedev, mknodat, symlinkat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use super::{files, mounts};
use crate::error::{SetUpError, Step};

/// Name and number. Source: Linux, Documentation/admin-guide/devices.txt.
const DEVICES: &[(&str, u32, u32)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
    ("core", "/proc/kcore"),
];

/// The host's devices, for user namespaces, which may not make any.
pub(super) struct Devices(Vec<(&'static str, OwnedFd)>);

impl Devices {
    /// Opens them while the host is in sight.
    pub(super) fn open() -> Result<Self, SetUpError> {
        let mut devices = vec![];
        if crate::userns::inside() {
            for (name, ..) in DEVICES {
                devices.push((
                    *name,
                    mounts::clone_of(&Path::new("/dev").join(name), false)?,
                ));
            }
        }
        Ok(Self(devices))
    }

    /// Makes or binds the devices in the new directory, and the links.
    pub(super) fn fill(&self, dev: &OwnedFd) -> Result<(), SetUpError> {
        let failed = |name: &str| {
            let path = Path::new("/dev").join(name);
            move |errno| SetUpError::at(Step::Mount, path, errno)
        };
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        for (name, device) in &self.0 {
            let create = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::openat(dev, *name, create, Mode::from_raw_mode(0o666))
                .map_err(failed(name))?;
            move_mount(device, "", dev, *name, flags).map_err(failed(name))?;
        }
        if self.0.is_empty() {
            for (name, major, minor) in DEVICES {
                let mode = Mode::from_raw_mode(0o666);
                let device = makedev(*major, *minor);
                mknodat(dev, *name, FileType::CharacterDevice, mode, device)
                    .map_err(failed(name))?;
                rustix::fs::chmodat(dev, *name, mode, rustix::fs::AtFlags::empty())
                    .map_err(failed(name))?;
            }
        }
        for (name, target) in LINKS {
            symlinkat(*target, dev, *name).map_err(failed(name))?;
        }
        Ok(())
    }
}

/// The directory itself.
pub(super) fn directory() -> Result<OwnedFd, SetUpError> {
    let make = || {
        let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&fs, "mode", "755")?;
        fsconfig_set_string(&fs, "size", "65536k")?;
        fsconfig_create(&fs)?;
        fsmount(
            &fs,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_NOSUID,
        )
    };
    make().map_err(|errno| SetUpError::at(Step::Mount, "/dev", errno))
}

/// File systems below it, by name.
pub(super) fn file_systems() -> [(&'static str, rustix::io::Result<OwnedFd>); 3] {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    [
        ("pts", terminals()),
        ("shm", files::tmpfs(Some(64 << 20), 0o1777)),
        ("mqueue", mounts::new_fs("mqueue", attributes)),
    ]
}

/// Group 5 is `tty` everywhere; a namespace of one id does not have it.
fn terminals() -> rustix::io::Result<OwnedFd> {
    let make = |group: bool| {
        let fs = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_flag(&fs, "newinstance")?;
        fsconfig_set_string(&fs, "ptmxmode", "0666")?;
        fsconfig_set_string(&fs, "mode", "620")?;
        if group {
            fsconfig_set_string(&fs, "gid", "5")?;
        }
        fsconfig_create(&fs)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make(true).or_else(|_| make(false))
}
