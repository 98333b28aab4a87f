//! From a directory of changes to a layer.
//!
//! Overlayfs leaves in the upper directory what a process made or changed, whiteouts (character device 0:0)
//! where it removed something, and opaque marks where it replaced a directory. What was only opened for
//! writing or had its time read is there too, unchanged. Rules, as BuildKit's layers have them:
//!
//! - a whiteout counts only if there is something to remove;
//! - a file that is as below (type, mode, owner, size, time, capabilities and content) is not in the layer;
//! - a directory is in the layer if it is new or its mode, owner or attributes changed, and above every entry;
//!   its time alone does not count;
//! - an opaque directory becomes explicit whiteouts of what it hides;
//! - sockets are dropped.
//!
//! A new name of a file that is below and unchanged becomes a hard link into the lower layer, where
//! BuildKit writes the file a second time.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use kiln_layer::entry::join_path;
use kiln_layer::{Entry, Kind, LayerWriter, Node, Time, Tree};
use kiln_oci::{Digest, Hasher};

use super::attributes;
use super::error::SnapshotError;
use crate::blob::BlobWriter;

/// Removes what was made to be mounted over and is still empty.
pub(super) fn remove_mount_points(upper: &Path, mount_points: &[PathBuf]) {
    for point in mount_points.iter().rev() {
        let path = upper.join(point.strip_prefix("/").unwrap_or(point));
        match fs::symlink_metadata(&path) {
            // A directory with something in it is not removed by this call.
            Ok(data) if data.is_dir() => drop(fs::remove_dir(&path)),
            Ok(data) if data.is_file() && data.len() == 0 => drop(fs::remove_file(&path)),
            _ => {}
        }
    }
}

/// Writes the layer that turns `lower` into what it is with `upper` on top.
pub(super) fn write_layer(
    upper: &Path,
    lower: &Tree,
    clamp: Option<i64>,
    out: &mut LayerWriter<BlobWriter>,
) -> Result<(), SnapshotError> {
    let mut links = HashMap::new();
    find_links(upper, &[], lower, &mut links)?;
    let mut diff = Diff {
        upper,
        lower,
        clamp,
        out,
        links,
        parents: vec![],
    };
    let root = fs::symlink_metadata(upper).map_err(|source| read_error(&[], source))?;
    let root = diff.entry(&[], &root)?;
    let changed = lower.get(&[]).is_none_or(|node| !same(&root, node.entry()));
    diff.parents.push(Parent {
        entry: root,
        written: lower.layers().is_empty() || !changed,
    });
    diff.directory(&[], false)
}

/// The names of a file that has several.
#[derive(Default)]
struct Names {
    /// A name that lower layers have for the same file, unchanged.
    unchanged: Option<Vec<u8>>,
    /// The first name that was written.
    written: Option<Vec<u8>>,
}

struct Diff<'a> {
    upper: &'a Path,
    lower: &'a Tree,
    clamp: Option<i64>,
    out: &'a mut LayerWriter<BlobWriter>,
    links: HashMap<u64, Names>,
    /// The directories above the current entry.
    parents: Vec<Parent>,
}

struct Parent {
    entry: Entry,
    written: bool,
}

/// Finds files with several names, and whether one of them is as it was below.
fn find_links(
    upper: &Path,
    directory: &[u8],
    lower: &Tree,
    links: &mut HashMap<u64, Names>,
) -> Result<(), SnapshotError> {
    for (name, data) in children(upper, directory)? {
        let path = join_path(directory, &name);
        if data.is_dir() {
            find_links(upper, &path, lower, links)?;
        } else if data.is_file() && data.nlink() > 1 {
            let names = links.entry(data.ino()).or_default();
            if names.unchanged.is_none()
                && let Some(node) = lower.get(&path)
                && is_unchanged_file(&at(upper, &path), &data, node)
                    .map_err(|source| read_error(&path, source))?
            {
                names.unchanged = Some(path);
            }
        }
    }
    Ok(())
}

impl Diff<'_> {
    /// Writes what changed in `directory`. `hides` says whether lower layers' content there is hidden.
    fn directory(&mut self, directory: &[u8], hides: bool) -> Result<(), SnapshotError> {
        let here = children(self.upper, directory)?;
        let mut gone: Vec<Vec<u8>> = vec![];
        if hides {
            let below = self
                .lower
                .children(directory)
                .map(|(name, _)| name.to_vec());
            gone = below
                .filter(|name| here.binary_search_by(|(n, _)| n.cmp(name)).is_err())
                .collect();
        }
        // Whiteouts stand in their victims' places of the order.
        let mut all: Vec<(Vec<u8>, Option<Metadata>)> = here
            .into_iter()
            .map(|(name, data)| (name, Some(data)))
            .collect();
        all.extend(gone.into_iter().map(|name| (name, None)));
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, data) in all {
            let path = join_path(directory, &name);
            match data {
                None => self.write(&Entry::whiteout(path))?,
                Some(data) if is_whiteout(&data) => {
                    if self.lower.get(&path).is_some() {
                        self.write(&Entry::whiteout(path))?;
                    }
                }
                Some(data) if data.is_dir() => self.subdirectory(&path, &data, hides)?,
                Some(data) => self.other(&path, &data, hides)?,
            }
        }
        Ok(())
    }

    fn subdirectory(
        &mut self,
        path: &[u8],
        data: &Metadata,
        hides: bool,
    ) -> Result<(), SnapshotError> {
        let entry = self.entry(path, data)?;
        let below = self.lower.get(path).filter(|node| node.is_directory());
        let changed = below.is_none_or(|node| !same(&entry, node.entry()));
        let hides = below.is_some() && (hides || attributes::is_opaque(&at(self.upper, path)));
        if changed {
            self.write(&entry)?;
        }
        self.parents.push(Parent {
            entry,
            written: changed,
        });
        let result = self.directory(path, hides);
        self.parents.pop();
        result
    }

    fn other(&mut self, path: &[u8], data: &Metadata, hidden: bool) -> Result<(), SnapshotError> {
        let below = self.lower.get(path).filter(|_| !hidden);
        let on_disk = at(self.upper, path);
        if data.file_type().is_socket() {
            return Ok(());
        }
        let read = |source| read_error(path, source);
        if !data.is_file() {
            let entry = self.entry(path, data)?;
            let unchanged = below
                .is_some_and(|node| same(&entry, node.entry()) && entry.kind == node.entry().kind);
            return if unchanged {
                Ok(())
            } else {
                self.write(&entry)
            };
        }
        if let Some(node) = below
            && is_unchanged_file(&on_disk, data, node).map_err(read)?
        {
            return self.clamp_on_disk(&on_disk, data).map_err(read);
        }
        let mut entry = self.entry(path, data)?;
        if data.nlink() > 1
            && let Some(names) = self.links.get_mut(&data.ino())
        {
            if let Some(target) = names.unchanged.as_ref().or(names.written.as_ref()) {
                entry.kind = Kind::Hardlink {
                    target: target.clone(),
                };
                return self.write(&entry);
            }
            names.written = Some(path.to_vec());
        }
        self.write_parents()?;
        let mut content = File::open(&on_disk).map_err(read)?;
        self.out.file(&entry, &mut content)?;
        Ok(())
    }

    fn write(&mut self, entry: &Entry) -> Result<(), SnapshotError> {
        self.write_parents()?;
        Ok(self.out.entry(entry)?)
    }

    fn write_parents(&mut self) -> Result<(), SnapshotError> {
        for parent in self.parents.iter_mut().filter(|parent| !parent.written) {
            // The root directory is not an entry that layers have to name.
            if !parent.entry.path.is_empty() {
                self.out.entry(&parent.entry)?;
            }
            parent.written = true;
        }
        Ok(())
    }

    /// What is at `path` of the upper directory. Its time is brought to the limit there, too: the directory
    /// becomes a snapshot, and must look as one that is unpacked from the layer.
    fn entry(&self, path: &[u8], data: &Metadata) -> Result<Entry, SnapshotError> {
        let on_disk = at(self.upper, path);
        let read = |source| read_error(path, source);
        self.clamp_on_disk(&on_disk, data).map_err(read)?;
        let kind = data.file_type();
        let device = (
            rustix::fs::major(data.rdev()),
            rustix::fs::minor(data.rdev()),
        );
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            let target = fs::read_link(&on_disk).map_err(read)?;
            Kind::Symlink {
                target: target.into_os_string().into_vec(),
            }
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_char_device() {
            Kind::Char {
                major: device.0,
                minor: device.1,
            }
        } else if kind.is_block_device() {
            Kind::Block {
                major: device.0,
                minor: device.1,
            }
        } else {
            Kind::File { size: data.len() }
        };
        let xattrs = match kind {
            Kind::Symlink { .. } => Default::default(),
            _ => attributes::kept_xattrs(&on_disk).map_err(read)?,
        };
        let seconds = self
            .clamp
            .map_or(data.mtime(), |clamp| clamp.min(data.mtime()));
        Ok(Entry {
            mode: if data.is_symlink() {
                0o777
            } else {
                data.mode() & 0o7777
            },
            uid: data.uid(),
            gid: data.gid(),
            mtime: Time::from_seconds(seconds),
            xattrs,
            ..Entry::new(path, kind)
        })
    }

    fn clamp_on_disk(&self, path: &Path, data: &Metadata) -> io::Result<()> {
        match self.clamp {
            Some(clamp) if (data.mtime(), data.mtime_nsec()) > (clamp, 0) => {
                attributes::set_time(path, Time::from_seconds(clamp))
            }
            _ => Ok(()),
        }
    }
}

/// The entries of a directory of the upper, sorted by name.
fn children(upper: &Path, directory: &[u8]) -> Result<Vec<(Vec<u8>, Metadata)>, SnapshotError> {
    let read = |source| read_error(directory, source);
    let mut children = vec![];
    for child in fs::read_dir(at(upper, directory)).map_err(read)? {
        let child = child.map_err(read)?;
        let data = child.metadata().map_err(read)?;
        children.push((child.file_name().into_vec(), data));
    }
    children.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(children)
}

fn is_whiteout(data: &Metadata) -> bool {
    data.file_type().is_char_device() && data.rdev() == 0
}

/// Mode, owner and capabilities. Times and other attributes are not compared.
fn same(a: &Entry, b: &Entry) -> bool {
    const CAPABILITY: &[u8] = b"security.capability";
    (a.mode, a.uid, a.gid) == (b.mode, b.uid, b.gid)
        && a.xattrs.get(CAPABILITY) == b.xattrs.get(CAPABILITY)
}

/// Whether a file of the upper directory was copied up and left as it was. The content is compared last,
/// because layers do not keep fractions of seconds and equal times therefore prove nothing.
fn is_unchanged_file(path: &Path, data: &Metadata, below: Node<'_>) -> io::Result<bool> {
    let entry = below.entry();
    let Kind::File { size } = entry.kind else {
        return Ok(false);
    };
    let as_before = (
        data.mode() & 0o7777,
        data.uid(),
        data.gid(),
        data.len(),
        data.mtime(),
    ) == (entry.mode, entry.uid, entry.gid, size, entry.mtime.seconds);
    if !as_before {
        return Ok(false);
    }
    const CAPABILITY: &[u8] = b"security.capability";
    let xattrs = attributes::kept_xattrs(path)?;
    if xattrs.get(CAPABILITY) != entry.xattrs.get(CAPABILITY) {
        return Ok(false);
    }
    Ok(below.content() == Some(&digest(path)?))
}

fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::sha256();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn at(upper: &Path, path: &[u8]) -> PathBuf {
    upper.join(std::ffi::OsStr::from_bytes(path))
}

fn read_error(path: &[u8], source: io::Error) -> SnapshotError {
    SnapshotError::Read {
        path: format!("/{}", String::from_utf8_lossy(path)),
        source,
    }
}
