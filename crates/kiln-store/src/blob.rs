//! Blobs: content by digest.
//!
//! # When content becomes visible
//!
//! A blob is written to a scratch file of a lease, hashed on the way, compared with what it should
//! be, synced to disk, renamed to its name, and the directory is synced. Whoever sees the name sees
//! all of the content, after a power cut, too.
//!
//! The sync of a large layer takes as long as the disk takes. A layer that a build made is therefore
//! synced on a thread of its own while the build goes on ([`pending`](crate::pending)). Until it has its name, this
//! process reads it through its open file and other processes do not see it. A reference is set only
//! after [`Store::sync_all`]: **what a name leads to is on disk before the name is.** Records in
//! `cache.db` may be ahead; they are only believed if the blob is there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use kiln_oci::{Digest, Hasher};

use crate::disk::read_at;
use crate::error::StoreError;
use crate::lease::Lease;
use crate::pending::publish;
use crate::store::{Store, is_missing};

/// Where a blob of the store at `root` lies.
pub(crate) fn path_of(root: &Path, digest: &Digest) -> PathBuf {
    let mut path = root.join("blobs");
    path.push(digest.algorithm().name());
    path.push(digest.hex());
    path
}

/// Takes the content of a blob that does not exist yet. Dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    out: Option<BufWriter<File>>,
    path: PathBuf,
    root: PathBuf,
    /// Nothing where the caller hashes the content anyway.
    hasher: Option<Hasher>,
    size: u64,
    /// What was handed to `writeback` so far, in bytes.
    flushed: u64,
    writeback: Option<JoinHandle<io::Result<()>>>,
}

/// After so many new bytes the disk is told to begin, so that little is left for the last sync.
const WRITEBACK: u64 = 64 << 20;

impl BlobWriter {
    fn new(path: PathBuf, root: PathBuf, hasher: Option<Hasher>) -> Result<Self, StoreError> {
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        let out = Some(BufWriter::with_capacity(256 << 10, file));
        Ok(Self {
            out,
            path,
            root,
            hasher,
            size: 0,
            flushed: 0,
            writeback: None,
        })
    }

    /// Gives the blob its name, which is returned with its size in bytes. With `expected`, content of
    /// another digest is refused.
    ///
    /// # Errors
    /// If the content is not what was expected, or cannot be written or synced.
    pub fn commit(self, expected: Option<&Digest>) -> Result<(Digest, u64), StoreError> {
        self.commit_after(expected, |_| Ok(()))
    }

    /// As [`commit`](Self::commit); the lease holds the blob before it can be seen, so that nothing
    /// collects it in between.
    ///
    /// # Errors
    /// The same, or if the lease cannot be written.
    pub fn commit_held(
        self,
        lease: &Lease,
        expected: Option<&Digest>,
    ) -> Result<(Digest, u64), StoreError> {
        self.commit_after(expected, |digest| lease.hold_blob(digest))
    }

    fn commit_after(
        mut self,
        expected: Option<&Digest>,
        hold: impl FnOnce(&Digest) -> Result<(), StoreError>,
    ) -> Result<(Digest, u64), StoreError> {
        let file = self.finish()?;
        let digest = match self.hasher.take() {
            Some(hasher) => hasher.finish(),
            None => digest_of(&file, &self.path)?,
        };
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            return Err(StoreError::mismatch(expected, &digest));
        }
        hold(&digest)?;
        publish(&file, &self.path, &self.root, &digest)?;
        Ok((digest, self.size))
    }

    /// The open scratch file and its path, for a blob whose digest was computed by the one who wrote
    /// it.
    pub(crate) fn into_parts(mut self) -> Result<(File, PathBuf, PathBuf), StoreError> {
        let file = self.finish()?;
        let path = std::mem::take(&mut self.path);
        Ok((file, path, std::mem::take(&mut self.root)))
    }

    fn finish(&mut self) -> Result<File, StoreError> {
        let out = self.out.take().expect("because a writer is finished once");
        let file = out.into_inner().map_err(io::IntoInnerError::into_error);
        let file = file.map_err(StoreError::io("write", &self.path))?;
        // xfs keeps room behind the end of a file that grew, which would count for the cap; and it
        // gives that back when it is told that the file ends here.
        file.set_len(self.size)
            .map_err(StoreError::io("write", &self.path))?;
        self.end_writeback()
            .map_err(StoreError::io("sync", &self.path))?;
        Ok(file)
    }

    /// Lets the disk begin with what was written, on another thread; not if it is still busy with
    /// what it got before.
    fn begin_writeback(&mut self) -> io::Result<()> {
        if let Some(busy) = &self.writeback
            && !busy.is_finished()
        {
            return Ok(());
        }
        self.end_writeback()?;
        self.flushed = self.size;
        if let Some(out) = &self.out {
            let file = out.get_ref().try_clone()?;
            self.writeback = Some(std::thread::spawn(move || file.sync_data()));
        }
        Ok(())
    }

    /// A failure to write back is told to one caller only, so it must not be lost here.
    fn end_writeback(&mut self) -> io::Result<()> {
        match self.writeback.take() {
            Some(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => Ok(()),
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let out = self
            .out
            .as_mut()
            .expect("because a writer is finished once");
        let written = out.write(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..written]);
        }
        self.size += written as u64;
        if self.size - self.flushed >= WRITEBACK {
            self.begin_writeback()?;
        }
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

fn digest_of(file: &File, path: &Path) -> Result<Digest, StoreError> {
    let mut hasher = Hasher::sha256();
    let mut buffer = vec![0; 256 << 10];
    let mut position = 0;
    loop {
        let read = read_at(file, &mut buffer, position).map_err(StoreError::io("read", path))?;
        if read == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..read]);
        position += read as u64;
    }
}

/// The blob that was opened last: many files are read from one layer before the next is needed.
pub(crate) type LastOpened = Mutex<Option<(Digest, Arc<File>)>>;

/// Reads an open file from a position of its own.
#[derive(Debug)]
pub(crate) struct ReadAt {
    pub(crate) file: Arc<File>,
    pub(crate) position: u64,
}

impl ReadAt {
    /// From the beginning.
    pub(crate) fn start(file: Arc<File>) -> Self {
        Self { file, position: 0 }
    }
}

impl io::Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Store {
    /// Where a blob lies once it has its name.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        path_of(self.root(), digest)
    }

    /// Begins a blob. To keep it from being collected, end it with
    /// [`commit_held`](BlobWriter::commit_held).
    ///
    /// # Errors
    /// If the scratch file cannot be made.
    pub fn blob_writer(&self, lease: &Lease) -> Result<BlobWriter, StoreError> {
        BlobWriter::new(
            lease.scratch_path()?,
            self.root().to_owned(),
            Some(Hasher::sha256()),
        )
    }

    /// A blob whose digest is known, and may be one of another algorithm than SHA-256.
    pub(crate) fn blob_writer_for(
        &self,
        lease: &Lease,
        digest: &Digest,
    ) -> Result<BlobWriter, StoreError> {
        let hasher = Hasher::new(digest.algorithm());
        BlobWriter::new(lease.scratch_path()?, self.root().to_owned(), Some(hasher))
    }

    /// A blob whose digest the one who writes it computes. It must be completed by
    /// [`publish_hashed`](Self::publish_hashed).
    pub(crate) fn unhashed_writer(&self, lease: &Lease) -> Result<BlobWriter, StoreError> {
        BlobWriter::new(lease.scratch_path()?, self.root().to_owned(), None)
    }

    /// Completes a blob with the digest that its writer computed from the very bytes. It can be read
    /// at once; it is on disk after [`sync_all`](Self::sync_all).
    pub(crate) fn publish_hashed(
        &self,
        lease: &Lease,
        writer: BlobWriter,
        digest: Digest,
    ) -> Result<(), StoreError> {
        lease.hold_blob(&digest)?;
        if self.has_blob(&digest)? {
            return Ok(());
        }
        self.pending.publish(writer, digest)
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

    /// Opens content. Blobs were verified when they came in. The file is shared: read it at
    /// positions only.
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
            Err(error) if is_missing(&error) => Err(StoreError::NoBlob { digest: *digest }),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    /// Bytes of content, if it is there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let file = match self.open_blob(digest) {
            Err(StoreError::NoBlob { .. }) => return Ok(None),
            file => file?,
        };
        let data = file.metadata();
        let data = data.map_err(StoreError::io("look at", self.blob_path(digest)))?;
        Ok(Some(data.len()))
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
        let mut writer = self.unhashed_writer(lease)?;
        let written = writer.write_all(bytes);
        written.map_err(StoreError::io("write", &writer.path))?;
        self.pending.publish(writer, digest)?;
        Ok(digest)
    }

    /// Reads a document whole and compares it with its digest, which costs nothing at this size.
    ///
    /// # Errors
    /// If it is not there, damaged, or larger than any document may be.
    pub fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        use io::Read as _;
        let file = self.open_blob(digest)?;
        let mut bytes = vec![];
        let mut limited = ReadAt::start(file).take(kiln_oci::MAX_DOCUMENT_SIZE + 1);
        let read = limited.read_to_end(&mut bytes);
        read.map_err(StoreError::io("read", self.blob_path(digest)))?;
        let document = |source: String| StoreError::Document {
            digest: *digest,
            source: source.into(),
        };
        if bytes.len() as u64 > kiln_oci::MAX_DOCUMENT_SIZE {
            let most = kiln_oci::MAX_DOCUMENT_SIZE;
            return Err(document(format!("it has more than {most} bytes")));
        }
        let mut hasher = Hasher::new(digest.algorithm());
        hasher.update(&bytes);
        let actual = hasher.finish();
        if actual != *digest {
            return Err(document(format!("its content is {actual}")));
        }
        Ok(bytes)
    }

    /// Waits until all layers and documents that this process made are on disk.
    ///
    /// # Errors
    /// If one of them could not be synced or named; that is told once.
    pub fn sync_all(&self) -> Result<(), StoreError> {
        self.pending.finish()
    }
}
