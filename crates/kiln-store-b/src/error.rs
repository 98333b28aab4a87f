//! How the store fails.

use std::io;
use std::path::{Path, PathBuf};

use kiln_oci::Digest;

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory of the store could not be used.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried: "create", "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A database could not be used. If it is `cache.db`, it may simply be deleted.
    #[error("the database `{path}` failed")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The databases were made by a newer kiln.
    #[error("`{path}` was written by a newer kiln (format {found}, this one knows {known})")]
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
    #[error("content is {actual}, but {expected} was expected")]
    Mismatch {
        /// What it should be.
        expected: Digest,
        /// What it is.
        actual: Digest,
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
    /// A layer could not be written.
    #[error("cannot write a layer")]
    Layer(#[from] kiln_layer::LayerError),
}

impl StoreError {
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

/// A layer's index could neither be read nor made.
#[derive(Debug, thiserror::Error)]
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
        source: kiln_layer::LayerError,
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
