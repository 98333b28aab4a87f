//! What can go wrong with stored objects.

use std::io;

/// Why the storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {place}")]
pub struct StorageError {
    action: &'static str,
    place: String,
    #[source]
    source: io::Error,
}

impl StorageError {
    pub(crate) fn new(action: &'static str, place: &impl ToString, source: io::Error) -> Self {
        Self {
            action,
            place: place.to_string(),
            source,
        }
    }

    pub(crate) fn abandoned(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new("do the work on", &"the storage", io::Error::other(source))
    }

    /// Whether the disk, or the user's share of it, is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(
            self.source.kind(),
            StorageFull | QuotaExceeded | FileTooLarge
        )
    }

    /// Whether nothing can be written there.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        matches!(self.source.kind(), ReadOnlyFilesystem | PermissionDenied)
    }
}
