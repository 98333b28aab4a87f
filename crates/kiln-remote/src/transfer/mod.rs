//! Moving an image, or an index with all that belongs to it, from any place to any other.
//!
//! [`ContentSource`] and [`ContentTarget`] are the two ends; [`Repository`](crate::Repository) is both, and the local
//! store, layouts and archives can be. Bytes are passed on as they are, so digests stay what they were. Blobs go first,
//! several at once, then manifests from the leaves to the root, and the tag with the last one: what can be seen is whole.

mod plan;
mod registry;
mod run;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kiln_oci::{Descriptor, Digest, InvalidDocument};

use crate::blob::{BlobSource, Uploaded};

pub use run::transfer;

/// Whatever went wrong at one end.
pub type ContentError = Box<dyn Error + Send + Sync>;

/// A repository on a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The registry as people write it: `docker.io`.
    pub registry: &'a str,
    /// The repository: `library/alpine`.
    pub repository: &'a str,
}

/// A place that content comes from.
pub trait ContentSource: Sync {
    /// The bytes of a manifest or index. They are compared with the descriptor by the caller.
    ///
    /// # Errors
    /// When they cannot be had.
    fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ContentError>;

    /// A blob, not opened yet. Readers from its beginning either verify it or come from a place that did.
    ///
    /// # Errors
    /// When it is known not to be there.
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn BlobSource + '_>, ContentError>;

    /// What a tag beside the image stands for; `None` if there is none. For signatures under `sha256-<hex>.sig` and the
    /// like.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, ContentError> {
        let _ = tag;
        Ok(None)
    }

    /// The manifests that refer to `subject`.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ContentError> {
        let _ = subject;
        Ok(vec![])
    }

    /// A repository that is known to have the blob: a target on the same registry can take it without its being sent.
    fn origin(&self, blob: &Descriptor) -> Option<Origin<'_>> {
        let _ = blob;
        None
    }
}

/// A place that content goes to.
pub trait ContentTarget: Sync {
    /// Sees to it that a blob is there, and says how it came to be. `progress` is to be told how many bytes have been
    /// taken so far; `from` is where the blob lies on a registry, if it does.
    ///
    /// # Errors
    /// When it is not there in the end.
    fn put_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        from: Option<Origin<'_>>,
        progress: &dyn Fn(u64),
    ) -> Result<Uploaded, ContentError>;

    /// Files a manifest or index, under a tag if one is given. All that it names is there already.
    ///
    /// # Errors
    /// When it is not filed.
    fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<(), ContentError>;

    /// Files a manifest that refers to another one.
    ///
    /// # Errors
    /// When it is not filed.
    fn put_referrer(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), ContentError> {
        self.put_manifest(descriptor, bytes, None)
    }

    /// Whether layers that may not be distributed are left out: a registry is not to have them.
    fn leaves_out_foreign_layers(&self) -> bool {
        false
    }
}

/// What happens in a transfer, told as it happens by the threads that do it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum TransferEvent<'a> {
    /// All blobs that the target must have in the end, once each, the largest first.
    Planned {
        /// Their descriptors.
        blobs: &'a [Descriptor],
    },
    /// A blob is looked after now.
    Started {
        /// The blob.
        blob: &'a Descriptor,
    },
    /// Bytes of a blob have moved.
    Moved {
        /// The blob.
        blob: &'a Descriptor,
        /// How many so far; falls when a transfer begins anew.
        bytes: u64,
    },
    /// The target has a blob.
    Done {
        /// The blob.
        blob: &'a Descriptor,
        /// How that came about.
        how: Uploaded,
    },
    /// A blob is left out: a layer that may not be distributed.
    LeftOut {
        /// The blob.
        blob: &'a Descriptor,
    },
    /// The target has a manifest or index.
    Filed {
        /// The manifest.
        manifest: &'a Descriptor,
        /// Its tag.
        tag: Option<&'a str>,
    },
}

/// How a transfer is made. `Default` moves the root and all that it names, and nothing beside it.
#[derive(Clone)]
pub struct TransferOptions<'a> {
    /// The tag for the root at the target.
    pub tag: Option<String>,
    /// Blobs that move at once; at least one.
    pub parallel: usize,
    /// Manifests that refer to the root or its children come along, and those that refer to them.
    pub referrers: bool,
    /// So do the tags `sha256-<hex>.sig`, `.att` and `.sbom` of the root and its children.
    pub companions: bool,
    /// Once true, the transfer ends with [`TransferError::Cancelled`].
    pub cancelled: Arc<AtomicBool>,
    /// Is told what happens.
    pub on_event: Option<&'a (dyn Fn(TransferEvent<'_>) + Sync)>,
}

impl Default for TransferOptions<'_> {
    fn default() -> Self {
        Self {
            tag: None,
            parallel: 4,
            referrers: false,
            companions: false,
            cancelled: Arc::default(),
            on_event: None,
        }
    }
}

/// What a transfer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Manifests and indexes that were filed.
    pub manifests: usize,
    /// Those among them that came along as referrers or companions.
    pub attached: usize,
    /// Blobs that were there.
    pub existed: usize,
    /// Blobs that were mounted.
    pub mounted: usize,
    /// Blobs that were sent.
    pub sent: usize,
    /// Bytes of the blobs that were sent.
    pub bytes: u64,
    /// Blobs that were left out.
    pub left_out: usize,
}

/// Why a transfer was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The source cannot give something.
    #[error("cannot get {what}")]
    Source {
        /// What it is.
        what: String,
        /// Why not.
        #[source]
        source: ContentError,
    },
    /// The target does not take something.
    #[error("cannot store {what}")]
    Target {
        /// What it is.
        what: String,
        /// Why not.
        #[source]
        source: ContentError,
    },
    /// A manifest cannot be read.
    #[error("the manifest {digest} cannot be read")]
    Document {
        /// Its digest.
        digest: Digest,
        /// Why not.
        #[source]
        source: InvalidDocument,
    },
    /// The source gave another manifest than it was asked for.
    #[error("the manifest {expected} has the content of {actual}")]
    Mismatch {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        actual: Box<Digest>,
    },
    /// An index that holds itself, or more than any image has.
    #[error("the image {digest} has too many parts: more than {limit} {parts}")]
    TooMany {
        /// The root.
        digest: Digest,
        /// Of what there are too many.
        parts: &'static str,
        /// How many are taken.
        limit: usize,
    },
    /// The caller does not want it any more.
    #[error("stopped")]
    Cancelled,
}
