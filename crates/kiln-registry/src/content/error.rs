//! What can go wrong with content. Each operation has its own enum; what is not the caller's doing is
//! a [`ContentError`] in all of them.

use kiln_oci::Digest;

use super::{BodyError, UploadId};
use crate::database::DatabaseError;
use crate::name::Tag;
use crate::storage::StorageError;

/// The database or the storage failed.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The storage of objects.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ContentError {
    /// Whether there is no room left: status 507.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Database(error) => matches!(error, DatabaseError::Full { .. }),
            Self::Storage(error) => error.is_full(),
        }
    }

    /// Whether nothing can be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Database(error) => matches!(error, DatabaseError::ReadOnly { .. }),
            Self::Storage(error) => error.is_read_only(),
        }
    }
}

/// Closures over transactions and calls of the storage are ended by `?`.
macro_rules! failed {
    ($($error:ident)*) => {
        $(
            impl From<DatabaseError> for $error {
                fn from(error: DatabaseError) -> Self {
                    Self::Failed(error.into())
                }
            }

            impl From<StorageError> for $error {
                fn from(error: StorageError) -> Self {
                    Self::Failed(error.into())
                }
            }
        )*
    };
}

failed! { UploadError PutManifestError DeleteError TagError }

/// Why an upload did not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// There is no such upload (any more) in this repository.
    #[error("there is no upload {id}")]
    Unknown {
        /// What was asked for.
        id: UploadId,
    },
    /// The chunk does not begin where the last one ended.
    #[error("the next byte of the upload is {offset}")]
    OutOfOrder {
        /// Bytes that are there.
        offset: u64,
    },
    /// Another request is sending to the same upload.
    #[error("another request is sending to upload {id}")]
    Busy {
        /// The upload.
        id: UploadId,
    },
    /// The content is not what its name says. The upload is discarded.
    #[error("the content has digest {found}, not {expected}")]
    DigestMismatch {
        /// What was promised.
        expected: Digest,
        /// What came.
        found: Box<Digest>,
    },
    /// The content is larger than the registry takes. The upload is discarded.
    #[error("blobs may have {limit} bytes at most")]
    TooLarge {
        /// The most bytes of a blob.
        limit: u64,
    },
    /// The request's body ended early. What came is kept, and the upload can go on.
    #[error("the request's body could not be read to its end")]
    Body {
        /// Why.
        #[source]
        source: BodyError,
    },
    /// The database or the storage failed.
    #[error(transparent)]
    Failed(#[from] ContentError),
}

/// Why a manifest was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutManifestError {
    /// It is larger than the registry takes.
    #[error("manifests may have {limit} bytes at most")]
    TooLarge {
        /// The most bytes of a manifest.
        limit: u64,
    },
    /// It is no manifest, or not of the kind that it says.
    #[error("invalid manifest: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The content is not what its name says.
    #[error("the manifest has digest {found}, not {expected}")]
    DigestMismatch {
        /// What was promised.
        expected: Digest,
        /// What came.
        found: Box<Digest>,
    },
    /// It needs blobs or manifests that this repository does not have.
    #[error(
        "the repository does not have {} that the manifest names",
        list(missing)
    )]
    Unknown {
        /// All of them.
        missing: Vec<Digest>,
    },
    /// The tag is there and must stay as it is.
    #[error("the tag `{tag}` may not be changed, because of the rule `{rule}`")]
    TagImmutable {
        /// The tag.
        tag: Tag,
        /// The rule, as text.
        rule: String,
    },
    /// The database or the storage failed.
    #[error(transparent)]
    Failed(#[from] ContentError),
}

fn list(digests: &[Digest]) -> String {
    let texts: Vec<String> = digests.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Why something was not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// It is not there.
    #[error("there is no {what}")]
    Unknown {
        /// What was to be deleted.
        what: String,
    },
    /// Something that stays needs it.
    #[error("{digest} is needed by {by}: delete that first")]
    Needed {
        /// What was to be deleted.
        digest: Digest,
        /// The manifest or index that names it.
        by: Box<Digest>,
    },
    /// A tag would go that must stay.
    #[error("the tag `{tag}` may not be deleted, because of the rule `{rule}`")]
    TagImmutable {
        /// The tag.
        tag: Tag,
        /// The rule, as text.
        rule: String,
    },
    /// The database or the storage failed.
    #[error(transparent)]
    Failed(#[from] ContentError),
}

/// Why a tag was not put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// The tag's history has no such change.
    #[error("the history of the tag `{tag}` has no change {change}")]
    UnknownChange {
        /// The tag.
        tag: Tag,
        /// What was asked for.
        change: i64,
    },
    /// What the tag pointed at was deleted.
    #[error("the manifest {digest} that `{tag}` pointed at is no longer there")]
    Gone {
        /// The tag.
        tag: Tag,
        /// The manifest.
        digest: Digest,
    },
    /// The tag must stay as it is.
    #[error("the tag `{tag}` may not be changed, because of the rule `{rule}`")]
    TagImmutable {
        /// The tag.
        tag: Tag,
        /// The rule, as text.
        rule: String,
    },
    /// The database or the storage failed.
    #[error(transparent)]
    Failed(#[from] ContentError),
}
