//! Reads an upper directory: every file with its metadata, in the order of a walk.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use kiln_layer::entry::{join_path, split_path};
use kiln_layer::{Entry, Kind, Time};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags, openat2, readlinkat,
};
use rustix::io::Errno;

use super::super::attributes::{self, CAPABILITY, OVERRIDE_STAT, portable_capability, through};
use super::super::error::{SnapshotError, shown};
use super::super::marks::Marks;
use super::super::unpack::{noted_device, open_directory};

/// A file of the upper directory.
#[derive(Debug)]
pub(super) struct Found {
    /// As it would be in a layer. Of the attributes only those that layers keep.
    pub(super) entry: Entry,
    /// The number of its directory among all that was found; nothing for the root's children.
    pub(super) parent: Option<usize>,
    pub(super) inode: u64,
    pub(super) links: u32,
    /// A directory that shows nothing of what is below.
    pub(super) is_opaque: bool,
    /// Sockets have no kind, because no layer can hold one.
    pub(super) is_socket: bool,
}

impl Found {
    pub(super) fn name(&self) -> &[u8] {
        split_path(&self.entry.path).map_or(b"", |(_, name)| name)
    }

    /// Whether other names of the same file can be there. overlayfs links its whiteouts to each
    /// other, which means nothing.
    pub(super) fn has_other_names(&self) -> bool {
        let is_plain = !matches!(self.entry.kind, Kind::Directory | Kind::Whiteout);
        self.links > 1 && is_plain && !self.is_socket
    }
}

/// Everything below `root`, a directory that is at `upper`.
pub(super) fn scan(
    root: BorrowedFd<'_>,
    upper: &Path,
    marks: Marks,
) -> Result<Vec<Found>, SnapshotError> {
    let scanner = Scanner { root, upper, marks };
    let mut all = Vec::new();
    let mut pending = scanner.directory(b"", None)?;
    pending.reverse();
    while let Some(found) = pending.pop() {
        let is_directory = found.entry.kind == Kind::Directory;
        all.push(found);
        if is_directory {
            let number = all.len() - 1;
            let children = scanner.directory(&all[number].entry.path, Some(number))?;
            pending.extend(children.into_iter().rev());
        }
    }
    Ok(all)
}

/// Opens a file of the upper directory for reading, following no link.
pub(super) fn open_file(
    root: BorrowedFd<'_>,
    upper: &Path,
    path: &[u8],
) -> Result<File, SnapshotError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = openat2(root, path, flags, Mode::empty(), resolve);
    Ok(opened.map_err(failed("open", upper, path))?.into())
}

/// Puts the full path to a system's error.
pub(super) fn failed<'a>(
    action: &'static str,
    upper: &'a Path,
    path: &'a [u8],
) -> impl FnOnce(Errno) -> SnapshotError + 'a {
    move |errno| {
        let path = upper.join(std::ffi::OsStr::from_bytes(path));
        SnapshotError::io(action, path)(errno)
    }
}

struct Scanner<'a> {
    root: BorrowedFd<'a>,
    upper: &'a Path,
    marks: Marks,
}

impl Scanner<'_> {
    /// The files right in the directory at `path`, sorted by name.
    fn directory(&self, path: &[u8], parent: Option<usize>) -> Result<Vec<Found>, SnapshotError> {
        let opened = open_directory(self.root, path);
        let directory = opened.map_err(failed("open", self.upper, path))?;
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut names = RawDir::new(&directory, &mut buffer);
        let mut children = Vec::new();
        while let Some(entry) = names.next() {
            let entry = entry.map_err(failed("list", self.upper, path))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            children.push(self.child(&directory, path, name, parent)?);
        }
        children.sort_unstable_by(|a, b| a.entry.path.cmp(&b.entry.path));
        Ok(children)
    }

    fn child(
        &self,
        directory: impl std::os::fd::AsFd,
        parent_path: &[u8],
        name: &[u8],
        parent: Option<usize>,
    ) -> Result<Found, SnapshotError> {
        let directory = directory.as_fd();
        let path = join_path(parent_path, name);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statx(directory, name, flags, StatxFlags::BASIC_STATS);
        let stat = stat.map_err(failed("look at", self.upper, &path))?;
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let is_socket = kind == FileType::Socket;
        let kind = match kind {
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new());
                let target = target.map_err(failed("read the link", self.upper, &path))?;
                Kind::Symlink {
                    target: target.into_bytes(),
                }
            }
            kind => plain_kind(kind, &stat),
        };
        let mut found = Found {
            entry: Entry {
                mode: u32::from(stat.stx_mode) & 0o7777,
                uid: stat.stx_uid,
                gid: stat.stx_gid,
                mtime: Time {
                    seconds: stat.stx_mtime.tv_sec,
                    nanos: stat.stx_mtime.tv_nsec,
                },
                ..Entry::new(path, kind)
            },
            parent,
            inode: stat.stx_ino,
            links: stat.stx_nlink,
            is_opaque: false,
            is_socket,
        };
        if found.entry.kind != Kind::Whiteout && !is_socket {
            self.attributes(directory, name, &mut found)?;
        }
        Ok(found)
    }

    /// Reads extended attributes: those that layers keep, and overlayfs's own.
    fn attributes(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        found: &mut Found,
    ) -> Result<(), SnapshotError> {
        let entry = &mut found.entry;
        let all = attributes::read_all(&through(directory, name));
        let all = all.map_err(failed("read attributes of", self.upper, &entry.path))?;
        if all.is_empty() {
            return Ok(());
        }
        for mark in self.marks.references() {
            if all.contains_key(mark.as_bytes()) {
                let path = shown(&entry.path);
                return Err(SnapshotError::Reference { path, mark });
            }
        }
        let opaque = all.get(self.marks.opaque().as_bytes());
        found.is_opaque = entry.kind == Kind::Directory && opaque.is_some_and(|v| v == b"y");
        if let Some(device) = all.get(OVERRIDE_STAT).and_then(|note| noted_device(note)) {
            entry.kind = device;
        }
        entry.xattrs = attributes::committed(&all);
        if let Some(capability) = entry.xattrs.get_mut(CAPABILITY) {
            *capability = portable_capability(std::mem::take(capability));
        }
        Ok(())
    }
}

/// The kind of anything but a symbolic link. For a socket, which has none, that of an empty file.
fn plain_kind(kind: FileType, stat: &Statx) -> Kind {
    let (major, minor) = (stat.stx_rdev_major, stat.stx_rdev_minor);
    match kind {
        FileType::Directory => Kind::Directory,
        FileType::Fifo => Kind::Fifo,
        FileType::BlockDevice => Kind::Block { major, minor },
        FileType::CharacterDevice if (major, minor) == (0, 0) => Kind::Whiteout,
        FileType::CharacterDevice => Kind::Char { major, minor },
        _ => Kind::File {
            size: stat.stx_size,
        },
    }
}
