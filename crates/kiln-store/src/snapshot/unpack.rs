//! Puts one layer into a directory for overlayfs.
//!
//! The directory is new and nobody else's, and the [`Plan`] has every path once and in its final
//! state, so nothing is ever replaced and no link is ever on the way. `openat2` with
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS` holds even if that reasoning were wrong.
//!
//! Order: directories from the root down; then files, devices and links in them, by several
//! threads; then other names of files; then whiteouts; then the directories' own metadata from the
//! bottom up, because every new file changes its directory's time. For one file: owner, then
//! attributes, then mode, then time: a change of owner clears set-id bits and capabilities.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use kiln_layer::entry::split_path;
use kiln_layer::{Entry, Kind, Node, Time};
use kiln_oci::Digest;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::attributes::{self, OVERRIDE_STAT, through};
use super::error::{SnapshotError, shown};
use super::marks::Marks;
use super::parallel::for_each;
use super::plan::{Directory, Plan};
use super::{content, ids};

/// How many files one thread takes at a time.
const BATCH: usize = 64;

/// Opens the directory at `path` below `root`, following no link at all.
pub(super) fn open_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    loop {
        let opened = rustix::fs::openat2(
            root,
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        );
        // The kernel gives up when something is renamed meanwhile, and asks to try again.
        if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
            return opened;
        }
    }
}

/// A time as the kernel takes it; the time of the last access is left alone.
pub(super) fn timestamps(time: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: time.seconds,
            tv_nsec: time.nanos.into(),
        },
    }
}

/// Unpacks `plan` into the empty directory `target`. `tars` are the uncompressed layers by diff id.
///
/// # Errors
/// Names the path. The directory is then to be thrown away.
pub(super) fn unpack(
    plan: &Plan<'_>,
    target: &Path,
    marks: Marks,
    tars: &HashMap<Digest, File>,
) -> Result<(), SnapshotError> {
    let open = File::open(target);
    let root = open.map_err(SnapshotError::io("open", target))?;
    let unpacker = Unpacker {
        root: root.as_fd(),
        target,
        marks,
        tars,
    };
    for path in plan.directories.keys().filter(|path| !path.is_empty()) {
        let made = rustix::fs::mkdirat(&root, &path[..], Mode::RWXU);
        made.map_err(|errno| unpacker.failed("create the directory", path, errno))?;
    }
    let batches = plan.directories.iter().flat_map(|(path, directory)| {
        let batches = directory.files.chunks(BATCH);
        batches.map(move |files| (&path[..], files))
    });
    let batches: Vec<_> = batches.collect();
    for_each(&batches, Vec::new, |buffer, (path, files)| {
        unpacker.files(path, files, buffer)
    })?;
    for (path, first) in &plan.links {
        unpacker.link(path, first)?;
    }
    for path in &plan.whiteouts {
        unpacker.whiteout(path)?;
    }
    let directories: Vec<_> = plan.directories.iter().rev().collect();
    // Metadata of a directory does not touch its parent: the order matters only for their files.
    for_each(
        &directories,
        || (),
        |(), (path, directory)| unpacker.finish_directory(path, directory),
    )
}

struct Unpacker<'a> {
    root: BorrowedFd<'a>,
    target: &'a Path,
    marks: Marks,
    tars: &'a HashMap<Digest, File>,
}

impl Unpacker<'_> {
    fn failed(&self, action: &'static str, path: &[u8], errno: Errno) -> SnapshotError {
        use std::os::unix::ffi::OsStrExt as _;
        let path = self.target.join(std::ffi::OsStr::from_bytes(path));
        SnapshotError::io(action, path)(errno)
    }

    fn open_parent<'p>(&self, path: &'p [u8]) -> Result<(OwnedFd, &'p [u8]), SnapshotError> {
        let (parent, name) = split_path(path).unwrap_or((b"", path));
        let opened = open_directory(self.root, parent);
        let parent = opened.map_err(|errno| self.failed("open", parent, errno))?;
        Ok((parent, name))
    }

    fn files(
        &self,
        directory: &[u8],
        files: &[(Vec<u8>, Node<'_>)],
        buffer: &mut Vec<u8>,
    ) -> Result<(), SnapshotError> {
        let opened = open_directory(self.root, directory);
        let parent = opened.map_err(|errno| self.failed("open", directory, errno))?;
        for (name, node) in files {
            let place = Place {
                unpacker: self,
                parent: parent.as_fd(),
                name,
                directory,
            };
            match node.entry().kind {
                Kind::File { .. } => place.file(*node, buffer)?,
                _ => place.other(node.entry())?,
            }
        }
        Ok(())
    }

    fn link(&self, path: &[u8], first: &[u8]) -> Result<(), SnapshotError> {
        let (from, old) = self.open_parent(first)?;
        let (to, new) = self.open_parent(path)?;
        // Without AT_SYMLINK_FOLLOW: a link to a symbolic link is one to the link itself.
        let linked = rustix::fs::linkat(from, old, to, new, AtFlags::empty());
        linked.map_err(|errno| self.failed("create the hard link", path, errno))
    }

    /// A character device 0:0, which a user namespace may make, too.
    fn whiteout(&self, path: &[u8]) -> Result<(), SnapshotError> {
        let (parent, name) = self.open_parent(path)?;
        let kind = FileType::CharacterDevice;
        let made = rustix::fs::mknodat(parent, name, kind, Mode::empty(), 0);
        made.map_err(|errno| self.failed("create the whiteout", path, errno))
    }

    fn finish_directory(
        &self,
        path: &[u8],
        directory: &Directory<'_>,
    ) -> Result<(), SnapshotError> {
        let opened = open_directory(self.root, path);
        let fd = opened.map_err(|errno| self.failed("open", path, errno))?;
        let place = Place {
            unpacker: self,
            parent: fd.as_fd(),
            name: b".",
            directory: path,
        };
        if directory.is_opaque {
            let set = rustix::fs::fsetxattr(&fd, self.marks.opaque(), b"y", XattrFlags::empty());
            set.map_err(|errno| self.failed("mark as opaque", path, errno))?;
        }
        place.metadata_of(&fd, directory.entry)
    }
}

/// A name that is to be made in an open directory.
struct Place<'a> {
    unpacker: &'a Unpacker<'a>,
    parent: BorrowedFd<'a>,
    name: &'a [u8],
    directory: &'a [u8],
}

impl Place<'_> {
    fn path(&self) -> Vec<u8> {
        match self.name {
            b"." => self.directory.to_vec(),
            name => kiln_layer::entry::join_path(self.directory, name),
        }
    }

    fn failed(&self, action: &'static str, errno: Errno) -> SnapshotError {
        self.unpacker.failed(action, &self.path(), errno)
    }

    fn file(&self, node: Node<'_>, buffer: &mut Vec<u8>) -> Result<(), SnapshotError> {
        let file = self.create("create the file")?;
        let indexed = node.indexed();
        if indexed.size() > 0 {
            let layer = node.diff_id().expect("because a layer brought the file");
            let tar = self.unpacker.tars.get(layer);
            let tar = tar.expect("because the tars of all planned files were opened");
            content::copy(tar, indexed, &file, buffer).map_err(|error| {
                if error.kind() == std::io::ErrorKind::UnexpectedEof {
                    let (layer, path) = (*layer, shown(&self.path()));
                    return SnapshotError::Truncated { layer, path };
                }
                let path = self.unpacker.target.join(shown(&self.path()));
                SnapshotError::io("write", path)(error)
            })?;
        }
        self.metadata_of(&OwnedFd::from(file), &indexed.entry)
    }

    fn create(&self, action: &'static str) -> Result<File, SnapshotError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let flags = flags | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let opened = rustix::fs::openat(self.parent, self.name, flags, mode);
        Ok(opened.map_err(|errno| self.failed(action, errno))?.into())
    }

    /// Metadata of an open file or directory.
    fn metadata_of(&self, fd: &OwnedFd, entry: &Entry) -> Result<(), SnapshotError> {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        let owned = rustix::fs::fchown(fd, Some(uid), Some(gid));
        owned.map_err(|errno| self.not_owned(entry, errno))?;
        if !entry.xattrs.is_empty() {
            self.attributes(entry)?;
        }
        let mode = Mode::from_raw_mode(entry.mode & 0o7777);
        let set = rustix::fs::fchmod(fd, mode);
        set.map_err(|errno| self.failed("set the mode of", errno))?;
        let set = rustix::fs::futimens(fd, &timestamps(entry.mtime));
        set.map_err(|errno| self.failed("set the time of", errno))
    }

    fn attributes(&self, entry: &Entry) -> Result<(), SnapshotError> {
        let set = attributes::write_all(&through(self.parent, self.name), &entry.xattrs);
        set.map_err(|errno| self.failed("set extended attributes of", errno))
    }

    fn not_owned(&self, entry: &Entry, errno: Errno) -> SnapshotError {
        let ids = [("user", entry.uid), ("group", entry.gid)];
        let missing = ids
            .into_iter()
            .find(|(kind, id)| !ids::is_mapped(kind, *id));
        match missing {
            Some((kind, id)) if matches!(errno, Errno::INVAL | Errno::PERM) => {
                SnapshotError::IdOutsideMap {
                    path: shown(&self.path()),
                    kind,
                    id,
                    ranges: ids::ranges(kind),
                }
            }
            _ => self.failed("set the owner of", errno),
        }
    }

    /// Symbolic links, pipes and devices.
    fn other(&self, entry: &Entry) -> Result<(), SnapshotError> {
        let node = |kind, device| {
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(self.parent, self.name, kind, mode, device)
        };
        let made = match &entry.kind {
            Kind::Symlink { target } => rustix::fs::symlinkat(&target[..], self.parent, self.name),
            Kind::Fifo => node(FileType::Fifo, 0),
            Kind::Char { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                node(FileType::CharacterDevice, device)
            }
            Kind::Block { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                node(FileType::BlockDevice, device)
            }
            // Directories are made before, files elsewhere; links and marks are not in a tree.
            Kind::File { .. }
            | Kind::Directory
            | Kind::Hardlink { .. }
            | Kind::Whiteout
            | Kind::Opaque => return Ok(()),
        };
        match made {
            Err(Errno::PERM) if device(&entry.kind).is_some() => return self.placeholder(entry),
            made => made.map_err(|errno| self.failed("create", errno))?,
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        let owned = rustix::fs::chownat(self.parent, self.name, Some(uid), Some(gid), flags);
        owned.map_err(|errno| self.not_owned(entry, errno))?;
        if !entry.xattrs.is_empty() {
            self.attributes(entry)?;
        }
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            let mode = Mode::from_raw_mode(entry.mode & 0o7777);
            let set = rustix::fs::chmodat(self.parent, self.name, mode, AtFlags::empty());
            set.map_err(|errno| self.failed("set the mode of", errno))?;
        }
        let times = timestamps(entry.mtime);
        let set = rustix::fs::utimensat(self.parent, self.name, &times, flags);
        set.map_err(|errno| self.failed("set the time of", errno))
    }

    /// An empty file in place of a device that a user namespace may not make, with a note of what
    /// it stands for, so that it stays a device in layers.
    fn placeholder(&self, entry: &Entry) -> Result<(), SnapshotError> {
        let file = self.create("create a placeholder for the device")?;
        let fd = OwnedFd::from(file);
        let note = override_stat(entry);
        let path = through(self.parent, self.name);
        let set = rustix::fs::lsetxattr(path, OVERRIDE_STAT, note.as_bytes(), XattrFlags::empty());
        set.map_err(|errno| self.failed("note the device at", errno))?;
        self.metadata_of(&fd, entry)
    }
}

/// The type letter, the major and the minor number of a device.
fn device(kind: &Kind) -> Option<(&'static str, u32, u32)> {
    match *kind {
        Kind::Char { major, minor } => Some(("char", major, minor)),
        Kind::Block { major, minor } => Some(("block", major, minor)),
        _ => None,
    }
}

/// What the device would be, in the words of fuse-overlayfs: owner, group, mode in octal and the
/// device, separated by colons.
fn override_stat(entry: &Entry) -> String {
    let (kind, major, minor) = device(&entry.kind).unwrap_or(("file", 0, 0));
    let Entry { uid, gid, mode, .. } = entry;
    format!("{uid}:{gid}:{mode:o}:{kind}-{major}-{minor}")
}

/// The device that a placeholder's note stands for.
pub(super) fn noted_device(note: &[u8]) -> Option<Kind> {
    let kind = std::str::from_utf8(note).ok()?.split(':').nth(3)?;
    let mut words = kind.split('-');
    let kind = words.next()?;
    let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    match kind {
        "char" => Some(Kind::Char { major, minor }),
        "block" => Some(Kind::Block { major, minor }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_tells_its_device() {
        let kind = Kind::Block {
            major: 8,
            minor: 17,
        };
        let entry = Entry::new("dev/sdb1", kind.clone());
        assert_eq!(noted_device(override_stat(&entry).as_bytes()), Some(kind));
        assert_eq!(noted_device(b"0:0:644:file"), None);
        assert_eq!(noted_device(b"\xff"), None);
    }
}
