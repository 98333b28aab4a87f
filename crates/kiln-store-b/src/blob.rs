//! Blobs: content by digest.
//!
//! A blob is written to a scratch file of a lease, hashed on the way, compared with what it should be, synced
//! to disk, and only then renamed to its name. Whoever sees the name sees all of the content.
//!
//! The sync of a large layer takes as long as the disk takes. A layer made by a build is therefore synced on a
//! thread of its own while the build goes on, and read through its open file until it has its name
//! ([`Pending`]); no reference is set before all of that is done.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use kiln_oci::{Digest, Hasher};

use crate::error::StoreError;
use crate::lease::Lease;
use crate::store::Store;

/// Takes the content of a blob that does not exist yet. Dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    out: Option<BufWriter<File>>,
    path: PathBuf,
    hasher: Hasher,
    size: u64,
    blobs: PathBuf,
}

impl BlobWriter {
    fn new(path: PathBuf, blobs: PathBuf) -> Result<Self, StoreError> {
        let options = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path);
        let file = options.map_err(StoreError::io("create", &path))?;
        let out = Some(BufWriter::with_capacity(256 << 10, file));
        Ok(Self {
            out,
            path,
            hasher: Hasher::sha256(),
            size: 0,
            blobs,
        })
    }

    /// Gives the blob its name, which is returned with its size in bytes. With `expected`, content of another
    /// digest is refused.
    ///
    /// # Errors
    /// If the content is not what was expected, or cannot be written or synced.
    pub fn commit(mut self, expected: Option<&Digest>) -> Result<(Digest, u64), StoreError> {
        let file = self.flush()?;
        let digest = std::mem::replace(&mut self.hasher, Hasher::sha256()).finish();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(StoreError::Mismatch {
                expected: *expected,
                actual: digest,
            });
        }
        publish(&file, &self.path, &self.blobs, &digest)?;
        Ok((digest, self.size))
    }

    /// The open scratch file, for content whose digest the caller has computed already.
    pub(crate) fn into_parts(mut self) -> Result<(File, PathBuf, PathBuf), StoreError> {
        let file = self.flush()?;
        let path = std::mem::take(&mut self.path);
        Ok((file, path, std::mem::take(&mut self.blobs)))
    }

    fn flush(&mut self) -> Result<File, StoreError> {
        let out = self.out.take().expect("because a writer is finished once");
        let failed = |error: io::Error| StoreError::io("write", &self.path)(error);
        out.into_inner().map_err(|error| failed(error.into_error()))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let out = self
            .out
            .as_mut()
            .expect("because a writer is finished once");
        let written = out.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Syncs a finished scratch file and gives it its name.
fn publish(file: &File, path: &Path, blobs: &Path, digest: &Digest) -> Result<(), StoreError> {
    file.sync_all().map_err(StoreError::io("sync", path))?;
    let name = blobs.join(digest.algorithm().name()).join(digest.hex());
    fs::rename(path, &name).map_err(StoreError::io("create", &name))?;
    let directory = name.parent().unwrap_or(blobs);
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(StoreError::io("sync", directory))
}

/// Layers that are complete but not yet on disk for certain.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<HashMap<Digest, Syncing>>);

#[derive(Debug)]
struct Syncing {
    file: Arc<File>,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Pending {
    /// Begins to sync a layer and name it.
    pub(crate) fn publish(&self, writer: BlobWriter, digest: Digest) -> Result<(), StoreError> {
        let (file, path, blobs) = writer.into_parts()?;
        let file = Arc::new(file);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.contains_key(&digest) {
            let _ = fs::remove_file(path);
            return Ok(());
        }
        let thread = std::thread::spawn({
            let file = Arc::clone(&file);
            move || publish(&file, &path, &blobs, &digest)
        });
        all.insert(digest, Syncing { file, thread });
        Ok(())
    }

    pub(crate) fn open(&self, digest: &Digest) -> Option<Arc<File>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(digest).map(|syncing| Arc::clone(&syncing.file))
    }

    /// Waits until all is on disk.
    pub(crate) fn finish(&self) -> Result<(), StoreError> {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for (_, syncing) in all {
            let synced = syncing.thread.join().unwrap_or_else(|_| Ok(()));
            result = result.and(synced);
        }
        result
    }
}

/// Reads an open file from a position of its own.
#[derive(Debug)]
pub(crate) struct ReadAt {
    pub(crate) file: Arc<File>,
    pub(crate) position: u64,
}

impl io::Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Store {
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root()
            .join("blobs")
            .join(digest.algorithm().name())
            .join(digest.hex())
    }

    /// Begins a blob. It is not collected while `lease` lives.
    ///
    /// # Errors
    /// If the scratch file cannot be made.
    pub fn blob_writer(&self, lease: &Lease) -> Result<BlobWriter, StoreError> {
        BlobWriter::new(lease.scratch_path()?, self.root().join("blobs"))
    }

    /// Whether the content is there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool, StoreError> {
        if self.pending.open(digest).is_some() {
            return Ok(true);
        }
        let path = self.blob_path(digest);
        path.try_exists().map_err(StoreError::io("read", &path))
    }

    /// Opens content. Blobs were verified when they came in.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
    pub fn open_blob(&self, digest: &Digest) -> Result<Arc<File>, StoreError> {
        if let Some(file) = self.pending.open(digest) {
            return Ok(file);
        }
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::NoBlob { digest: *digest })
            }
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    /// Stores a document, a config or a manifest, and gives its digest.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put_document(&self, lease: &Lease, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::sha256(bytes);
        lease.hold_blob(&digest)?;
        if self.has_blob(&digest)? {
            return Ok(digest);
        }
        let mut writer = self.blob_writer(lease)?;
        writer
            .write_all(bytes)
            .map_err(StoreError::io("write", &writer.path))?;
        writer.commit(Some(&digest))?;
        Ok(digest)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// If it is not there, or larger than any document may be.
    pub fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        use std::io::Read as _;
        let file = self.open_blob(digest)?;
        let mut bytes = vec![];
        let mut limited = ReadAt { file, position: 0 }.take(kiln_oci::MAX_DOCUMENT_SIZE + 1);
        limited
            .read_to_end(&mut bytes)
            .map_err(StoreError::io("read", self.blob_path(digest)))?;
        Ok(bytes)
    }

    /// Waits until all layers that this process made are on disk.
    ///
    /// # Errors
    /// If one of them could not be synced.
    pub fn sync_all(&self) -> Result<(), StoreError> {
        self.pending.finish()
    }
}
