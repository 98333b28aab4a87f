//! Local content: blobs, references, layer indexes, snapshots, leases, collection, layouts and archives.
//!
//! ```text
//! $KILN_HOME/
//!   oci-layout            says that blobs/ is an OCI layout's
//!   blobs/sha256/<hex>    verified and synced content; never changed, only removed
//!   refs.db               names of images: what cannot be made again
//!   cache.db              layer indexes, step results, times of use: may be deleted at any time
//!   snapshots/<key>/fs    unpacked layers, for overlayfs
//!   cache-mounts/<id>/    RUN --mount=type=cache
//!   leases/<id>           a locked file for each running kiln, with what it counts on
//!   work/<id>/            scratch files of that kiln
//!   store.lock            shared by those who take leases, exclusive for who removes content
//! ```
//!
//! Several kiln processes work on a store at once. What one of them counts on is written in its lease, whose
//! lock ends with the process, however it ends; whoever opens the store next removes what dead leases
//! left in `work/`.

pub mod archive;
mod blob;
mod cache;
mod collect;
mod database;
mod error;
pub mod export;
mod image;
mod layer;
pub mod layout;
mod lease;
mod lock;
mod refs;
mod snapshot;
mod store;
pub mod walk;

pub use blob::BlobWriter;
pub use collect::{PruneOptions, Pruned, Usage};
pub use error::{LayerIndexError, StoreError};
pub use lease::Lease;
pub use refs::StoredReference;
pub use snapshot::{
    CacheMount, CacheMountOptions, CacheSharing, CommitOptions, SnapshotError, Upper,
};
pub use store::{Store, StoreOptions};
