//! The files in an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use kiln_layer::entry::{join_path, split_path};
use kiln_layer::{Dialect, Encoding, Kind, LayerError, TarError, TarReader, decompress, index_tar};
use kiln_oci::Digest;

use crate::blob::ReadAt;
use crate::error::StoreError;
use crate::lease::Lease;
use crate::store::Store;

/// An archive whose members cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MembersError {
    /// It cannot be read, or what it is compressed with ends early or is damaged.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    /// There is no place for what is in it.
    #[error("it is compressed with {0}; decompress it first")]
    Compressed(Encoding),
    /// It is no tar archive, or a damaged one.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// A layer in it is damaged.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// What is in it cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The files of a tar archive.
///
/// Those of an uncompressed one are read where they lie. One that is compressed as a whole is decoded
/// once, from the beginning to the end: small files are kept in memory, and large ones go into a store
/// right away, as the blobs that they shall become. So nothing is written that is not wanted there, and
/// nothing twice.
#[derive(Debug)]
pub(crate) struct Members {
    places: BTreeMap<Vec<u8>, Place>,
    /// Holds what went into a store.
    _lease: Option<Lease>,
}

#[derive(Clone, Debug)]
enum Place {
    File {
        file: Arc<File>,
        offset: u64,
        size: u64,
        digest: Option<Digest>,
    },
    Memory(Arc<[u8]>),
}

/// Bytes of the largest file that is kept in memory.
const SMALL: u64 = 1 << 20;

/// Bytes of all of these.
const MEMORY: u64 = 64 << 20;

/// Bytes of a tar header block, which tells a layer from other content.
const HEADER: u64 = 512;

impl Members {
    /// Lists the archive at `path`. What is compressed as a whole needs a store to be unpacked into.
    pub(crate) fn open_archive(path: &Path, store: Option<&Store>) -> Result<Self, MembersError> {
        let file = Arc::new(File::open(path)?);
        let (encoding, content) = decompress(ReadAt::start(Arc::clone(&file)))?;
        match (encoding, store) {
            (Encoding::Plain, _) => Self::in_place(&file),
            (encoding, None) => Err(MembersError::Compressed(encoding)),
            (_, Some(store)) => Self::unpack(content, store),
        }
    }

    fn in_place(file: &Arc<File>) -> Result<Self, MembersError> {
        let mut reader = TarReader::new(ReadAt::start(Arc::clone(file)), Dialect::Archive);
        let places = list(&mut reader, |reader, size| {
            Ok(Place::File {
                file: Arc::clone(file),
                offset: reader.offset(),
                size,
                digest: None,
            })
        })?;
        Ok(Self {
            places,
            _lease: None,
        })
    }

    fn unpack(content: Box<dyn Read + Send>, store: &Store) -> Result<Self, MembersError> {
        let lease = store.lease()?;
        let mut reader = TarReader::new(content, Dialect::Archive);
        let mut room = MEMORY;
        let places = list(&mut reader, |reader, size| {
            if size > SMALL.min(room) {
                return keep(store, &lease, reader, size);
            }
            room -= size;
            let mut bytes = vec![];
            reader.read_to_end(&mut bytes)?;
            Ok(Place::Memory(bytes.into()))
        })?;
        // A checksum may stand at the end of the compressed stream.
        reader.drain()?;
        Ok(Self {
            places,
            _lease: Some(lease),
        })
    }

    /// Opens a member.
    pub(crate) fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let place = self.places.get(name.as_bytes());
        match place.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))? {
            Place::File {
                file, offset, size, ..
            } => {
                let content = ReadAt {
                    file: Arc::clone(file),
                    position: *offset,
                };
                Ok(Box::new(content.take(*size)))
            }
            Place::Memory(bytes) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
        }
    }

    /// Bytes of a member, if it is there.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        match self.places.get(name.as_bytes())? {
            Place::File { size, .. } => Some(*size),
            Place::Memory(bytes) => Some(bytes.len() as u64),
        }
    }

    /// The digest of a member, if it is known without reading it.
    pub(crate) fn digest(&self, name: &str) -> Option<Digest> {
        match self.places.get(name.as_bytes())? {
            Place::File { digest, .. } => *digest,
            Place::Memory(bytes) => Some(Digest::sha256(bytes)),
        }
    }
}

/// Goes through an archive; `place` says where a file shall be read. Links to members before them are
/// followed: old `docker save` archives link equal layers to each other.
fn list<R: Read>(
    reader: &mut TarReader<R>,
    mut place: impl FnMut(&mut TarReader<R>, u64) -> Result<Place, MembersError>,
) -> Result<BTreeMap<Vec<u8>, Place>, MembersError> {
    let mut places: BTreeMap<Vec<u8>, Place> = BTreeMap::new();
    while let Some(entry) = reader.next_entry()? {
        let found = match &entry.kind {
            Kind::File { size } if reader.extents().is_empty() => Some(place(reader, *size)?),
            Kind::Hardlink { target } => places.get(target).cloned(),
            Kind::Symlink { target } => {
                let target = link_target(&entry.path, target);
                target.and_then(|target| places.get(&target).cloned())
            }
            _ => None,
        };
        if let Some(found) = found {
            places.insert(entry.path, found);
        }
    }
    Ok(places)
}

/// Puts a large member into the store. An uncompressed layer is indexed by the way.
fn keep(
    store: &Store,
    lease: &Lease,
    reader: &mut impl Read,
    size: u64,
) -> Result<Place, MembersError> {
    let mut begin = vec![];
    reader.by_ref().take(HEADER).read_to_end(&mut begin)?;
    let is_tar = begin.get(257..262) == Some(b"ustar");
    let mut content = begin.as_slice().chain(reader);
    let digest = if is_tar {
        let mut writer = store.unhashed_writer(lease)?;
        let index = Arc::new(index_tar(content, &mut writer)?);
        store.publish_hashed(lease, writer, index.diff_id)?;
        store.keep_index(&index)?;
        index.diff_id
    } else {
        let mut writer = store.blob_writer(lease)?;
        copy(store, &mut content, &mut writer)?;
        writer.commit_held(lease, None)?.0
    };
    Ok(Place::File {
        file: store.open_blob(&digest)?,
        offset: 0,
        size,
        digest: Some(digest),
    })
}

/// Copies, and tells what cannot be read from what cannot be written.
fn copy(store: &Store, from: &mut dyn Read, to: &mut dyn Write) -> Result<(), MembersError> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to
                .write_all(&buffer[..read])
                .map_err(StoreError::io("write to", store.root()))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The path that a symbolic link at `path` leads to, if that is in the archive.
fn link_target(path: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut place = split_path(path).map_or(vec![], |(parent, _)| parent.to_vec());
    if target.starts_with(b"/") {
        return None;
    }
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if place.is_empty() => return None,
            b".." => place = split_path(&place).map_or(vec![], |(parent, _)| parent.to_vec()),
            name => place = join_path(&place, name),
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::link_target;

    #[test]
    fn links_are_followed_inside_the_archive_only() {
        let to = |target: &[u8]| link_target(b"a/layer.tar", target);
        assert_eq!(to(b"../b/layer.tar"), Some(b"b/layer.tar".to_vec()));
        assert_eq!(to(b"./other.tar"), Some(b"a/other.tar".to_vec()));
        assert_eq!(to(b"../../etc/passwd"), None);
        assert_eq!(to(b"/etc/passwd"), None);
    }
}
