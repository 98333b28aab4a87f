//! "A layer is read once": the pass that everything rides on.
//!
//! While a layer's bytes go by, on their way into the store or out of an archive, this computes the
//! diff id, the digest of every file, and the layer index. The diff id is hashed on a second thread,
//! because SHA-256 is what a pass mostly costs and each byte of content needs it twice.

mod indexer;
mod pipeline;
mod writer;

use std::io;

use crate::entry::Entry;
use crate::tar::{TarError, TarErrorKind};

pub use indexer::{index_tar, index_tar_as};
pub use writer::LayerWriter;

/// Why a layer could not be written or indexed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The archive itself: its place and what is wrong. For reading a file's content, too.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// A layer cannot hold the entry.
    #[error("`{path}` cannot be put into a layer: {reason}")]
    Unwritable {
        /// The entry's path.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// The layer's bytes could not be passed on.
    #[error("the layer could not be written: {source}")]
    Output {
        /// What failed.
        source: io::Error,
    },
}

impl LayerError {
    fn unwritable(entry: &Entry, reason: &'static str) -> Self {
        Self::Unwritable {
            path: entry.display_path().into_owned(),
            reason,
        }
    }

    fn tar(offset: u64, entry: &Entry, kind: TarErrorKind) -> Self {
        Self::Tar(TarError::new(offset, Some(&entry.path), kind))
    }
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        match error {
            LayerError::Tar(error) => error.into(),
            LayerError::Output { source } => source,
            error @ LayerError::Unwritable { .. } => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}
