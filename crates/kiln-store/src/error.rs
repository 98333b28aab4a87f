//! How the store fails.

use std::io;
use std::path::{Path, PathBuf};

use kiln_oci::Digest;

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory of the store could not be used.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried: "create", "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The store can be read, but not changed.
    #[error("the store `{}` is read-only", root.display())]
    ReadOnly {
        /// The store's directory.
        root: PathBuf,
    },
    /// A database could not be used.
    #[error("the database `{}` failed", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The database of names is damaged, and nothing can make it again.
    #[error(
        "`{}` is damaged: it holds the names of images and nothing else; put a backup in its place, \
         or move it away and name, load or build the images again (their content is still there)",
        path.display()
    )]
    DamagedNames {
        /// The file.
        path: PathBuf,
        /// How it shows.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A database was made by a newer kiln.
    #[error("`{}` was written by a newer kiln (format {found}; this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this kiln knows.
        known: i64,
    },
    /// Content is not there.
    #[error("{digest} is not in the store")]
    NoBlob {
        /// What was asked for.
        digest: Digest,
    },
    /// Content is not what its name says.
    #[error("the content is {actual}, but {expected} was expected")]
    Mismatch {
        /// What it should be.
        expected: Box<Digest>,
        /// What it is.
        actual: Box<Digest>,
    },
    /// A blob has another length than the document says that names it.
    #[error(
        "{digest} has {actual} bytes in the store, but should have {expected}; `kiln scrub --repair` removes damaged content"
    )]
    Size {
        /// The blob.
        digest: Digest,
        /// Bytes by its descriptor.
        expected: u64,
        /// Bytes on disk.
        actual: u64,
    },
    /// A document of the store cannot be read.
    #[error("{digest} is not a valid document")]
    Document {
        /// The document.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Content that was to be stored could not be read from where it is.
    #[error("cannot read {digest} from where it comes from")]
    Content {
        /// The content.
        digest: Digest,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A layer could not be written.
    #[error("cannot write a layer")]
    Layer(#[from] kiln_layer::LayerError),
    /// A snapshot or a cache mount could not be used.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Snapshot(Box<crate::SnapshotError>),
}

impl StoreError {
    /// Whether there is no room on the disk, or the user's share of it is used up.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                let kind = error.kind();
                return matches!(
                    kind,
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                );
            }
            if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
                // A log that cannot grow is a failure of input and output to SQLite.
                return matches!(error.sqlite_error_code(), Some(DiskFull | SystemIoFailure));
            }
            next = error.source();
        }
        false
    }

    pub(crate) fn mismatch(expected: &Digest, actual: &Digest) -> Self {
        Self::Mismatch {
            expected: Box::new(*expected),
            actual: Box::new(*actual),
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

#[cfg(target_os = "linux")]
impl From<crate::SnapshotError> for StoreError {
    fn from(error: crate::SnapshotError) -> Self {
        Self::Snapshot(Box::new(error))
    }
}

/// A layer's index could neither be read nor made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerIndexError {
    /// The layer is not in the store, in no form.
    #[error("the layer {diff_id} is not in the store")]
    NoLayer {
        /// The layer.
        diff_id: Digest,
    },
    /// The layer is damaged.
    #[error("the layer {diff_id} is damaged")]
    Damaged {
        /// The layer.
        diff_id: Digest,
        /// How.
        #[source]
        source: Box<kiln_layer::LayerError>,
    },
    /// The layer cannot be decompressed.
    #[error("the layer {diff_id} cannot be decompressed")]
    Decode {
        /// The layer.
        diff_id: Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
