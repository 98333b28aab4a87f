//! Mount points inside the root, found and made without ever leaving it.
//!
//! The root filesystem is not trusted: it may hold symbolic links to anywhere. Every lookup goes
//! through `openat2` from the root's descriptor, with links resolved here, one by one, as the sandboxed
//! process would see them.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::{Errno, Result};

use crate::error::{SetUpError, Step};

/// As many links as the kernel follows in one lookup.
const MOST_LINKS: usize = 40;

/// What a mount point must be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Directory,
    /// Anything but a directory.
    File,
}

/// The mounted root, and what was made in it.
pub(super) struct RootDirectory {
    fd: OwnedFd,
    mount: Option<u64>,
    /// What was made in the root's own filesystem, absolute inside it.
    pub(super) created: Vec<PathBuf>,
}

impl RootDirectory {
    pub(super) fn new(fd: OwnedFd) -> Self {
        let mount = mount_id(&fd);
        RootDirectory {
            fd,
            mount,
            created: Vec::new(),
        }
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Opens a path as the sandboxed process would, or tells why there is none.
    pub(super) fn open(&self, path: &Path) -> Result<OwnedFd> {
        open_in(
            &self.fd,
            path,
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// The mount point at a path; what is missing of it is made and, unless another mount hides it,
    /// noted in [`created`](Self::created).
    pub(super) fn mount_point(
        &mut self,
        target: &Path,
        shape: Shape,
    ) -> std::result::Result<OwnedFd, SetUpError> {
        match self.open(target) {
            Ok(fd) => return Ok(fd),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(SetUpError::at(Step::MountPoint, target, errno)),
        }
        self.make(target, shape).map_err(|errno| {
            let error = SetUpError::at(Step::MountPoint, target, errno);
            match errno {
                Errno::ROFS => error.hint("the root filesystem is read-only and has no such path"),
                Errno::INVAL | Errno::OVERFLOW => error.hint(
                    "the directory's owner is not among the ids that this user may use; `kiln doctor` \
                     says how to get more",
                ),
                _ => error,
            }
        })
    }

    fn make(&mut self, target: &Path, shape: Shape) -> Result<OwnedFd> {
        // Still to be walked, last component first; and where the walk is, free of links.
        let mut pending = reversed(target);
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            let directory = self.open_real(&at)?;
            match rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let link = rustix::fs::readlinkat(&directory, &name, Vec::new())?;
                    let link = PathBuf::from(
                        <OsString as std::os::unix::ffi::OsStringExt>::from_vec(link.into_bytes()),
                    );
                    if link.is_absolute() {
                        at.clear();
                    }
                    pending.extend(reversed(&link));
                    continue;
                }
                Ok(_) => {}
                Err(Errno::NOENT) => {
                    let shape = if pending.is_empty() {
                        shape
                    } else {
                        Shape::Directory
                    };
                    make_entry(&directory, &name, shape)?;
                    if mount_id(&directory) == self.mount {
                        self.created.push(Path::new("/").join(&at).join(&name));
                    }
                }
                Err(errno) => return Err(errno),
            }
            at.push(name);
        }
        self.open_real(&at)
    }

    /// Opens a path that is known to hold no links.
    fn open_real(&self, path: &Path) -> Result<OwnedFd> {
        open_in(
            &self.fd,
            path,
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
        )
    }
}

fn open_in(root: &OwnedFd, path: &Path, resolve: ResolveFlags) -> Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

fn make_entry(directory: &OwnedFd, name: &OsStr, shape: Shape) -> Result<()> {
    match shape {
        Shape::Directory => rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o755)),
        Shape::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        }
    }
}

/// Which mount a file is seen through; unknown before Linux 5.8.
fn mount_id(fd: &OwnedFd) -> Option<u64> {
    let stat = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id)
}

/// The names in a path, last first.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path
        .components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
    names.collect()
}
