//! Everything that is mounted over the root: `/proc`, `/dev`, `/sys`, the caller's mounts, and what hides.
//!
//! Targets are resolved with `openat2` inside the root (`RESOLVE_IN_ROOT`): a link in an image cannot lead a mount
//! outside. Sources are opened before, while the host is still in sight.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsmount, fsopen, move_mount, open_tree,
};

use super::{dev, files, root};
use crate::error::{SetUpError, Step};
use crate::sandboxed::Note;
use crate::spec::{Mount, Network, Security, Spec};
use crate::sys;
use crate::wire::SetUp;

/// What is hidden of `/proc` and `/sys`. Source: Docker's and BuildKit's defaults for unprivileged containers.
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What is read-only of `/proc`, by the same source.
const READ_ONLY: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Mounts that are made but not placed.
pub(super) struct Sources {
    /// In the order of the spec's mounts.
    mounts: Vec<OwnedFd>,
    hosts: Option<OwnedFd>,
    resolv_conf: Option<OwnedFd>,
    devices: dev::Devices,
    sys: Option<OwnedFd>,
    null: OwnedFd,
    /// Keeps the files in memory alive.
    _memory: files::Memory,
}

impl Sources {
    /// Opens or makes everything that comes from outside of the root.
    pub(super) fn open(spec: &Spec) -> Result<Self, SetUpError> {
        let mut memory = files::Memory::new()?;
        let mut mounts = vec![];
        for mount in &spec.mounts {
            mounts.push(source(mount, &mut memory)?);
        }
        let mut file = |content: &Option<Vec<u8>>| {
            content
                .as_ref()
                .map(|content| memory.file(content, 0o644, (0, 0)))
                .transpose()
        };
        let (hosts, resolv_conf) = (file(&spec.hosts)?, file(&spec.resolv_conf)?);
        let null = clone_of(Path::new("/dev/null"), false)?;
        let sys = clone_of(Path::new("/sys"), true).ok();
        let devices = dev::Devices::open()?;
        Ok(Self {
            mounts,
            hosts,
            resolv_conf,
            devices,
            sys,
            null,
            _memory: memory,
        })
    }
}

/// A mount of its own of something on the host.
pub(super) fn clone_of(path: &Path, recursive: bool) -> Result<OwnedFd, SetUpError> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    match open_tree(CWD, path, flags) {
        // A user namespace may not reveal what lies below other mounts, so they come along.
        Err(Errno::INVAL) if !recursive => clone_of(path, true),
        result => result.map_err(|errno| SetUpError::at(Step::OpenSource, path, errno)),
    }
}

fn source(mount: &Mount, memory: &mut files::Memory) -> Result<OwnedFd, SetUpError> {
    let at = |errno| SetUpError::at(Step::Mount, mount.target(), errno);
    match mount {
        Mount::Bind {
            source,
            read_only,
            recursive,
            ..
        } => {
            let tree = clone_of(source, *recursive)?;
            if *read_only {
                sys::mount_read_only(&tree, true).map_err(at)?;
            }
            Ok(tree)
        }
        Mount::Overlay { overlay, .. } => root::mount_overlay(overlay),
        Mount::Tmpfs { size, mode, .. } => files::tmpfs(*size, *mode).map_err(at),
        Mount::File {
            content,
            mode,
            uid,
            gid,
            read_only,
            ..
        } => {
            let file = memory.file(content, *mode, (*uid, *gid))?;
            if *read_only {
                sys::mount_read_only(&file, false).map_err(at)?;
            }
            Ok(file)
        }
    }
}

/// The root that mounts go into.
struct Into<'a> {
    root: &'a OwnedFd,
    /// Places of mounts: what is made below them is not in the root.
    mounted: Vec<PathBuf>,
    created: &'a mut Vec<PathBuf>,
}

/// Mounts everything.
pub(super) fn mount_all(
    spec: &Spec,
    root: &OwnedFd,
    sources: Sources,
    set_up: &mut SetUp,
) -> Result<(), SetUpError> {
    let SetUp {
        created_mount_points,
        notes,
    } = set_up;
    let mut into = Into {
        root,
        mounted: vec![],
        created: created_mount_points,
    };
    into.proc(notes)?;
    into.dev(&sources.devices, notes)?;
    into.sys(spec.network, sources.sys, notes)?;
    if let Some(hosts) = &sources.hosts {
        into.place(hosts, Path::new("/etc/hosts"), true)?;
    }
    if let Some(resolv_conf) = &sources.resolv_conf {
        into.place(resolv_conf, Path::new("/etc/resolv.conf"), true)?;
    }
    for (mount, source) in spec.mounts.iter().zip(&sources.mounts) {
        into.place(source, mount.target(), is_file(source))?;
    }
    if spec.security == Security::Sandbox {
        into.mask(&sources.null, notes)?;
    }
    Ok(())
}

fn is_file(mount: &OwnedFd) -> bool {
    rustix::fs::fstat(mount).is_ok_and(|stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory
    })
}

impl Into<'_> {
    /// Puts a mount at its target, which is made if it is not there.
    fn place(&mut self, mount: &OwnedFd, target: &Path, file: bool) -> Result<(), SetUpError> {
        let point = self.point(target, file)?;
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(mount, "", &point, "", flags)
            .map_err(|errno| SetUpError::at(Step::Mount, target, errno))?;
        self.mounted.push(target.to_owned());
        Ok(())
    }

    /// Opens a mount point; what is missing of it is made and remembered.
    fn point(&mut self, target: &Path, file: bool) -> Result<OwnedFd, SetUpError> {
        let failed = |errno| SetUpError::at(Step::MountPoint, target, errno);
        match self.open(target, OFlags::PATH) {
            Err(Errno::NOENT) => {}
            result => return result.map_err(failed),
        }
        let in_root = !self
            .mounted
            .iter()
            .any(|mounted| target.starts_with(mounted));
        let mut done = PathBuf::from("/");
        let names: Vec<&OsStr> = target
            .iter()
            .filter(|name| name.as_bytes() != b"/")
            .collect();
        for (at, name) in names.iter().enumerate() {
            let parent = self
                .open(&done, OFlags::PATH | OFlags::DIRECTORY)
                .map_err(failed)?;
            done.push(name);
            match self.open(&done, OFlags::PATH) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno)),
            }
            let made = if file && at + 1 == names.len() {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                rustix::fs::openat(&parent, *name, flags, Mode::from_raw_mode(0o644)).map(drop)
            } else {
                rustix::fs::mkdirat(&parent, *name, Mode::from_raw_mode(0o755))
            };
            made.map_err(|errno| match errno {
                // There is a link that leads nowhere; nothing can be mounted there.
                Errno::EXIST => failed(Errno::NOENT).hint(
                    "there is a symbolic link in its place, to something that does not exist",
                ),
                errno => failed(errno),
            })?;
            if in_root {
                self.created.push(done.clone());
            }
        }
        self.open(target, OFlags::PATH).map_err(failed)
    }

    fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(
            self.root,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
    }

    /// The processes of the new namespace.
    fn proc(&mut self, notes: &mut Vec<Note>) -> Result<(), SetUpError> {
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        match new_fs("proc", attributes) {
            Ok(proc) => self.place(&proc, Path::new("/proc"), false),
            Err(Errno::PERM) => {
                // The caller's own /proc has parts hidden, so the kernel allows no new one.
                notes.push(Note::NotMounted("/proc of its own".to_owned()));
                let host = clone_of(Path::new("/proc"), true)?;
                self.place(&host, Path::new("/proc"), false)
            }
            Err(errno) => Err(SetUpError::at(Step::Mount, "/proc", errno)),
        }
    }

    fn dev(&mut self, devices: &dev::Devices, notes: &mut Vec<Note>) -> Result<(), SetUpError> {
        let directory = dev::directory()?;
        self.place(&directory, Path::new("/dev"), false)?;
        let dev = self
            .open(Path::new("/dev"), OFlags::PATH | OFlags::DIRECTORY)
            .map_err(|errno| SetUpError::at(Step::MountPoint, "/dev", errno))?;
        devices.fill(&dev)?;
        for (name, mount) in dev::file_systems() {
            let target = Path::new("/dev").join(name);
            match mount {
                Ok(mount) => self.place(&mount, &target, false)?,
                Err(_) => notes.push(Note::NotMounted(target.display().to_string())),
            }
        }
        Ok(())
    }

    /// A sysfs of its own for a network of its own, else the host's, read-only either way.
    fn sys(
        &mut self,
        network: Network,
        host: Option<OwnedFd>,
        notes: &mut Vec<Note>,
    ) -> Result<(), SetUpError> {
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC
            | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let may_be_new = network == Network::None || !crate::userns::inside();
        if may_be_new && let Ok(own) = new_fs("sysfs", attributes) {
            return self.place(&own, Path::new("/sys"), false);
        }
        let Some(host) = host else {
            notes.push(Note::NotMounted("/sys".to_owned()));
            return Ok(());
        };
        notes.push(Note::HostSys);
        sys::mount_read_only(&host, true)
            .map_err(|errno| SetUpError::at(Step::Mount, "/sys", errno))?;
        self.place(&host, Path::new("/sys"), false)
    }

    fn mask(&mut self, null: &OwnedFd, notes: &mut Vec<Note>) -> Result<(), SetUpError> {
        for path in READ_ONLY {
            let path = Path::new(path);
            let Ok(there) = self.open(path, OFlags::PATH) else {
                continue;
            };
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE
                | OpenTreeFlags::AT_EMPTY_PATH;
            let bound = open_tree(&there, "", flags).and_then(|tree| {
                sys::mount_read_only(&tree, true)?;
                Ok(tree)
            });
            match bound {
                Ok(tree) => self.cover(&tree, &there, path)?,
                Err(_) => notes.push(Note::NotMounted(format!("{} read-only", path.display()))),
            }
        }
        for path in MASKED {
            let path = Path::new(path);
            let Ok(there) = self.open(path, OFlags::PATH) else {
                continue;
            };
            let failed = |errno| SetUpError::at(Step::Mask, path, errno);
            let cover = if is_file(&there) {
                let flags = OpenTreeFlags::OPEN_TREE_CLONE
                    | OpenTreeFlags::OPEN_TREE_CLOEXEC
                    | OpenTreeFlags::AT_EMPTY_PATH;
                open_tree(null, "", flags).map_err(failed)?
            } else {
                let empty = files::tmpfs(Some(0), 0o755).map_err(failed)?;
                sys::mount_read_only(&empty, false).map_err(failed)?;
                empty
            };
            self.cover(&cover, &there, path)?;
        }
        Ok(())
    }

    fn cover(&self, mount: &OwnedFd, there: &OwnedFd, path: &Path) -> Result<(), SetUpError> {
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(mount, "", there.as_fd(), "", flags)
            .map_err(|errno| SetUpError::at(Step::Mask, path, errno))
    }
}

/// A file system of the kernel's that is mounted nowhere yet.
pub(super) fn new_fs(kind: &str, attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fs)?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
