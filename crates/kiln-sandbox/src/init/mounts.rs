//! Everything that is mounted over the root: `/proc`, `/dev`, `/sys`, the caller's mounts, and what hides.
//!
//! Targets are resolved with `openat2` inside the root (`RESOLVE_IN_ROOT`): a link in an image cannot lead a mount
//! outside. Sources are opened before, while the host is still in sight.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsmount, fsopen, move_mount, open_tree,
};

use super::target::{RootDirectory, Shape};
use super::{dev, files, overlay};
use crate::error::{SetUpError, Step};
use crate::sandboxed::Note;
use crate::spec::{Mount, Network, Security, Spec};
use crate::sys;

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
}

impl Sources {
    /// Opens or makes everything that comes from outside of the root.
    pub(super) fn open(spec: &Spec) -> Result<Self, SetUpError> {
        // Paths of the caller's are looked up before anything is mounted where they may lead through.
        let mut mounts = vec![];
        for mount in &spec.mounts {
            mounts.push(source(mount)?);
        }
        let sys = clone_of(Path::new("/sys"), true).ok();
        let devices = dev::Devices::open()?;
        let mut memory = files::Memory::new()?;
        let kept = spec
            .mounts
            .iter()
            .map(|mount| kept_file(mount, &mut memory));
        let kept: Vec<Option<OwnedFd>> = kept.collect::<Result<_, _>>()?;
        let mut file = |content: &Option<Vec<u8>>| {
            content
                .as_ref()
                .map(|content| memory.file(content, 0o644, (0, 0)))
                .transpose()
        };
        let (hosts, resolv_conf) = (file(&spec.hosts)?, file(&spec.resolv_conf)?);
        memory.close()?;
        // Each mount is one or the other.
        let mounts = mounts
            .into_iter()
            .zip(kept)
            .filter_map(|(mount, file)| mount.or(file));
        Ok(Self {
            mounts: mounts.collect(),
            hosts,
            resolv_conf,
            devices,
            sys,
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

/// What a mount shows, mounted nowhere yet; nothing for a file that is kept in memory.
fn source(mount: &Mount) -> Result<Option<OwnedFd>, SetUpError> {
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
            Ok(Some(tree))
        }
        Mount::Overlay { overlay, .. } => overlay::mount(overlay).map(Some),
        Mount::Tmpfs { size, mode, .. } => files::tmpfs(*size, *mode).map(Some).map_err(at),
        Mount::File { .. } => Ok(None),
    }
}

/// A file that is kept in memory.
fn kept_file(mount: &Mount, memory: &mut files::Memory) -> Result<Option<OwnedFd>, SetUpError> {
    let Mount::File {
        target,
        content,
        mode,
        uid,
        gid,
        read_only,
    } = mount
    else {
        return Ok(None);
    };
    let file = memory.file(content, *mode, (*uid, *gid))?;
    if *read_only {
        sys::mount_read_only(&file, false)
            .map_err(|errno| SetUpError::at(Step::Mount, target, errno))?;
    }
    Ok(Some(file))
}

/// The root that mounts go into.
struct Into<'a>(&'a mut RootDirectory);

/// Mounts everything.
pub(super) fn mount_all(
    spec: &Spec,
    root: &mut RootDirectory,
    sources: Sources,
    notes: &mut Vec<Note>,
) -> Result<(), SetUpError> {
    let mut into = Into(root);
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
        into.mask(notes)?;
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
        let shape = if file { Shape::File } else { Shape::Directory };
        let point = self.0.mount_point(target, shape)?;
        let failed = |errno| SetUpError::at(Step::Mount, target, errno);
        match (file, is_file(&point)) {
            (true, false) => {
                return Err(
                    failed(Errno::ISDIR).hint("a file is mounted, but there is a directory")
                );
            }
            (false, true) => {
                return Err(
                    failed(Errno::NOTDIR).hint("a directory is mounted, but there is a file")
                );
            }
            _ => {}
        }
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(mount, "", &point, "", flags).map_err(failed)
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
            .0
            .open(Path::new("/dev"))
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

    fn mask(&mut self, notes: &mut Vec<Note>) -> Result<(), SetUpError> {
        for path in READ_ONLY {
            let path = Path::new(path);
            let Ok(there) = self.0.open(path) else {
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
            let Ok(there) = self.0.open(path) else {
                continue;
            };
            let failed = |errno| SetUpError::at(Step::Mask, path, errno);
            let cover = if is_file(&there) {
                let flags = OpenTreeFlags::OPEN_TREE_CLONE
                    | OpenTreeFlags::OPEN_TREE_CLOEXEC
                    | OpenTreeFlags::AT_EMPTY_PATH;
                let null = self.0.open(Path::new("/dev/null")).map_err(failed)?;
                open_tree(&null, "", flags).map_err(failed)?
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
