//! What a registry is about: blobs, manifests and tags, over a [`Database`] and a [`Storage`].
//!
//! Nothing here knows HTTP or who may do what: the caller has checked that. Every operation that
//! changes something is one transaction; when it returns `Ok`, it is on disk
//! (`docs/design/registry-content.md`).

mod blob;
mod cache;
mod catalog;
mod delete;
mod document;
mod download;
mod error;
mod hash;
mod history;
mod manifest;
mod options;
mod records;
mod referrers;
mod rules;
mod upload;
mod upload_claim;
mod upload_commit;
mod upload_id;
mod upload_receive;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kiln_oci::Digest;

use crate::clock::Clock;
use crate::database::Database;
use crate::name::{ManifestReference, RepositoryName};
use crate::storage::Storage;

pub use blob::BlobStat;
pub(crate) use blob::{BlobPlace, drop_unlinked, place};
pub use catalog::Page;
pub use delete::Deleted;
pub(crate) use delete::remove_manifest;
pub use download::OpenBlob;
pub use error::{ContentError, DeleteError, PutManifestError, TagError, UploadError};
pub use history::TagChange;
pub use manifest::{NewManifest, Stored, StoredManifest};
pub use options::ContentOptions;
pub(crate) use records::discard_object;
pub use rules::{InvalidRule, NewTagRule, RuleKind, TagRule};
pub use upload::UploadStatus;
pub use upload_id::UploadId;

use blob::CachedBlob;
use cache::Cache;

/// Why a body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes on their way in or out; a body of hyper's as well as one for it.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// A body of bytes at hand.
#[must_use]
pub fn body_of(bytes: impl Into<Bytes>) -> Body {
    use http_body_util::BodyExt as _;
    let full = http_body_util::Full::new(bytes.into());
    full.map_err(|never| match never {}).boxed_unsync()
}

/// The content of a registry. Clones share it.
#[derive(Clone, Debug)]
pub struct Content(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    storage: Storage,
    clock: Clock,
    options: ContentOptions,
    blobs: Cache<(RepositoryName, Digest), CachedBlob>,
    manifests: Cache<(RepositoryName, ManifestReference), Arc<StoredManifest>>,
    /// What the claims of this server begin with, where there are others.
    name: String,
    /// Uploads that a request is sending to.
    busy: Mutex<HashSet<UploadId>>,
    /// Rung when there may be layers to be indexed.
    indexing: tokio::sync::Notify,
}

impl Content {
    /// Content of `database`, whose objects are in `storage`.
    #[must_use]
    pub fn new(
        database: Database,
        storage: Storage,
        clock: Clock,
        options: ContentOptions,
    ) -> Self {
        // What another server changes, this one would not hear of.
        let memory = match database.is_shared() {
            true => 0,
            false => options.memory,
        };
        let half = memory / 2;
        Self(Arc::new(Inner {
            database,
            storage,
            clock,
            options,
            blobs: Cache::new(half),
            manifests: Cache::new(half),
            name: crate::storage::ObjectKey::unique().to_string(),
            busy: Mutex::default(),
            indexing: tokio::sync::Notify::new(),
        }))
    }

    /// The database, which the accounts share.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The clock that leases are told by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How it was set up.
    #[must_use]
    pub fn options(&self) -> &ContentOptions {
        &self.0.options
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// Resolves when layers may wait to be indexed.
    pub(crate) async fn layers_arrived(&self) {
        self.0.indexing.notified().await;
    }

    /// The ids of the uploads that requests of this process are sending to.
    pub(crate) fn busy_uploads(&self) -> HashSet<String> {
        let busy = self.0.busy.lock();
        let busy = busy.unwrap_or_else(std::sync::PoisonError::into_inner);
        busy.iter().map(ToString::to_string).collect()
    }

    /// What is known of a manifest may have changed.
    pub(crate) fn forget_manifest(&self, repository: &RepositoryName, by: ManifestReference) {
        self.0.manifests.forget(&(repository.clone(), by));
    }

    /// What is known of a blob may have changed.
    pub(crate) fn forget_blob(&self, repository: &RepositoryName, digest: Digest) {
        self.0.blobs.forget(&(repository.clone(), digest));
    }
}
