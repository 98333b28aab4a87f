//! Where the bytes of blobs are: objects under keys of their own.
//!
//! A key is made up for each upload and used once; which object holds which digest, only the
//! database says. So an object never has to be moved, two uploads of one digest never meet, and an
//! object that is removed late can never be one that somebody counts on. A row of the database names
//! a key before its object is begun, and one goes on naming it until the object was removed.

mod block;
mod error;
mod files;
mod key;
mod s3;

use bytes::Bytes;
use std::path::Path;
use tokio::task::spawn_blocking;

pub use error::StorageError;
pub use key::ObjectKey;
pub(crate) use key::random;
pub use s3::{LEAST_PART, MOST_PARTS, Redirect, S3Options};

use files::{FileReader, FileWriter, Files};
use s3::{S3, S3Reader, S3Writer};

/// The most bytes that are read in one go.
pub const READ_BLOCK: usize = 256 << 10;

/// A place for objects. Clones share it.
#[derive(Clone, Debug)]
pub struct Storage(Place);

#[derive(Clone, Debug)]
enum Place {
    Files(Files),
    S3(S3),
}

impl Storage {
    /// Objects as files below `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn open_files(directory: &Path) -> Result<Self, StorageError> {
        Files::open(directory).map(|files| Self(Place::Files(files)))
    }

    /// Objects in a bucket of an S3-compatible store, which several servers may share.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn open_s3(options: S3Options) -> Result<Self, StorageError> {
        S3::open(options).await.map(|store| Self(Place::S3(store)))
    }

    /// The most bytes that an object can have.
    pub(crate) fn largest(&self) -> u64 {
        match &self.0 {
            Place::Files(_) => u64::MAX,
            Place::S3(store) => store.largest(),
        }
    }

    /// Whether clients are sent to the storage.
    pub(crate) fn shares(&self) -> bool {
        match &self.0 {
            Place::Files(_) => false,
            Place::S3(store) => store.shares(),
        }
    }

    /// A URL that clients can read an object from for a while, if they are to be sent there.
    pub(crate) fn shared_url(&self, key: &ObjectKey) -> Option<String> {
        match &self.0 {
            Place::Files(_) => None,
            Place::S3(store) => store.shared_url(key),
        }
    }

    /// What unfinished objects outlive: they may be continued while this stays the same. A crash of
    /// the machine loses what was not synced, so files have another epoch after each start of it.
    #[must_use]
    pub fn epoch(&self) -> &str {
        match &self.0 {
            Place::Files(files) => files.epoch(),
            Place::S3(store) => store.epoch(),
        }
    }

    /// Begins an object.
    ///
    /// # Errors
    /// When it cannot be begun, or is there.
    pub(crate) async fn create(&self, key: &ObjectKey) -> Result<ObjectWriter, StorageError> {
        match &self.0 {
            Place::Files(files) => {
                let (files, key) = (files.clone(), key.clone());
                let writer = blocking(move || files.create(&key)).await?;
                Ok(ObjectWriter(Writing::File(writer)))
            }
            Place::S3(store) => Ok(ObjectWriter(Writing::S3(store.create(key).await))),
        }
    }

    /// Goes on with an object of which `size` bytes count; what is behind them is cut off. `state` is
    /// what [`ObjectWriter::pause`] gave.
    ///
    /// # Errors
    /// When it is not there or shorter.
    pub(crate) async fn resume(
        &self,
        key: &ObjectKey,
        size: u64,
        state: &[u8],
    ) -> Result<ObjectWriter, StorageError> {
        match &self.0 {
            Place::Files(files) => {
                let (files, key) = (files.clone(), key.clone());
                let writer = blocking(move || files.resume(&key, size)).await?;
                Ok(ObjectWriter(Writing::File(writer)))
            }
            Place::S3(store) => {
                let writer = store.resume(key, size, state).await?;
                Ok(ObjectWriter(Writing::S3(writer)))
            }
        }
    }

    /// Opens a finished object; nothing if it is not there.
    ///
    /// # Errors
    /// When the storage fails.
    pub(crate) async fn open(&self, key: &ObjectKey) -> Result<Option<ObjectReader>, StorageError> {
        match &self.0 {
            Place::Files(files) => {
                let (files, key) = (files.clone(), key.clone());
                let reader = blocking(move || files.reader(&key)).await?;
                Ok(reader.map(|reader| ObjectReader(Reading::File(reader))))
            }
            Place::S3(store) => {
                let reader = store.reader(key).await?;
                Ok(reader.map(|reader| ObjectReader(Reading::S3(reader))))
            }
        }
    }

    /// Removes an object, finished or not. One that is not there is fine.
    ///
    /// # Errors
    /// When the storage fails.
    pub(crate) async fn remove(&self, key: &ObjectKey) -> Result<(), StorageError> {
        match &self.0 {
            Place::Files(files) => {
                let (files, key) = (files.clone(), key.clone());
                blocking(move || files.remove(&key)).await
            }
            Place::S3(store) => {
                let (store, key) = (store.clone(), key.clone());
                blocking(move || store.remove(&key)).await
            }
        }
    }

    /// The keys of a part of all objects, finished or not, with their sizes; part 0 to 255.
    ///
    /// # Errors
    /// When the storage fails.
    pub(crate) async fn list(&self, part: u8) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        match &self.0 {
            Place::Files(files) => {
                let files = files.clone();
                blocking(move || files.list(part)).await
            }
            Place::S3(store) => {
                let store = store.clone();
                blocking(move || store.list(part)).await
            }
        }
    }
}

/// An object that is being written.
#[derive(Debug)]
pub(crate) struct ObjectWriter(Writing);

#[derive(Debug)]
enum Writing {
    File(FileWriter),
    S3(S3Writer),
}

impl ObjectWriter {
    /// Appends `blocks` and meanwhile lets `look` see them, both off the runtime's threads.
    ///
    /// # Errors
    /// When not all of it was written; how much was is not known.
    pub(crate) async fn write<L: Send + 'static>(
        self,
        blocks: Vec<Bytes>,
        mut look: L,
        see: impl Fn(&mut L, &[u8]) + Send + 'static,
    ) -> (L, Result<Self, StorageError>) {
        match self.0 {
            Writing::File(mut writer) => {
                let task = move || {
                    let mut result = Ok(());
                    for block in &blocks {
                        see(&mut look, block);
                        result = result.and_then(|()| writer.write(block));
                    }
                    let result = result.map(|()| Self(Writing::File(writer)));
                    (look, result)
                };
                spawn_blocking(task)
                    .await
                    .expect("because it does not panic")
            }
            Writing::S3(writer) => {
                let (look, written) = writer.write(blocks, look, see).await;
                (look, written.map(|writer| Self(Writing::S3(writer))))
            }
        }
    }

    /// Gives the disk time to keep up and makes all of it, and its name, survive a power cut.
    ///
    /// # Errors
    /// When it may not be on disk.
    pub(crate) async fn finish(self) -> Result<(), StorageError> {
        match self.0 {
            Writing::File(writer) => blocking(move || writer.finish()).await,
            Writing::S3(writer) => writer.finish().await,
        }
    }

    /// Leaves the object so that another request can go on with it, perhaps at another server. What it
    /// gives must be kept for that.
    ///
    /// # Errors
    /// When not all of it is where it can be found again.
    pub(crate) async fn pause(self) -> Result<Vec<u8>, StorageError> {
        match self.0 {
            // A file has what was written to it.
            Writing::File(_) => Ok(vec![]),
            Writing::S3(writer) => writer.pause().await,
        }
    }
}

/// A finished object that can be read.
#[derive(Clone, Debug)]
pub(crate) struct ObjectReader(Reading);

#[derive(Clone, Debug)]
enum Reading {
    File(FileReader),
    S3(S3Reader),
}

impl ObjectReader {
    /// `length` bytes from `offset`, at most [`READ_BLOCK`]; fewer only at the object's end.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn read(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        self.begin_read(offset, length).await
    }

    /// Exactly `length` bytes from `offset`, at most [`READ_BLOCK`], if they can be had without waiting for
    /// anything.
    pub(crate) fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        match &self.0 {
            Reading::File(reader) => reader.read_cached(offset, length),
            // A store is always waited for.
            Reading::S3(_) => None,
        }
    }

    /// What [`Self::read`] reads, begun at once: it goes on while nobody waits for it. To be called in a runtime.
    pub(crate) fn begin_read(
        &self,
        offset: u64,
        length: usize,
    ) -> impl Future<Output = Result<Bytes, StorageError>> + Send + use<> {
        let reading = match &self.0 {
            Reading::File(reader) => {
                let reader = reader.clone();
                spawn_blocking(move || reader.read(offset, length))
            }
            Reading::S3(reader) => {
                let reader = reader.share();
                spawn_blocking(move || reader.read(offset, length))
            }
        };
        async {
            match reading.await {
                Ok(result) => result,
                Err(error) => Err(StorageError::abandoned(error)),
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StorageError::abandoned(error)),
    }
}
