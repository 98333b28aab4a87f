//! Local content: blobs, references, layer indexes, snapshots, leases, collection, layouts and
//! archives.
//!
//! ```text
//! $KILN_HOME/
//!   oci-layout            says that blobs/ is an OCI layout's
//!   blobs/sha256/<hex>    verified and synced content; never changed, only removed
//!   refs.db               names of images: what cannot be made again
//!   cache.db              layer indexes, results of steps, memos: may be deleted at any time
//!   snapshots/<key>/      unpacked layers, for overlayfs
//!   cache-mounts/<id>/    RUN --mount=type=cache
//!   leases/<id>           a locked file for each running kiln, with what it counts on
//!   work/<id>/            scratch files of that kiln, half-written blobs among them
//!   reserve               a little room for the moment when the disk is full
//!   store.lock            shared by those who begin to count on content, exclusive for who removes it
//! ```
//!
//! Several kiln processes work on a store at once. What one of them counts on is written in its
//! lease, whose lock ends with the process, however that ends; whoever opens the store next removes
//! what dead leases left. `docs/design/store.md` has the rules: what is locked when, what a crash can
//! leave, and what may be deleted by hand.

pub mod archive;
mod blob;
mod cache;
mod collect;
mod database;
mod disk;
mod error;
pub mod export;
mod image;
mod layer;
pub mod layout;
mod lease;
mod lock;
mod pending;
mod refs;
mod reserve;
#[cfg(target_os = "linux")]
pub mod snapshot;
#[cfg(target_os = "linux")]
mod snapshots;
mod store;
mod usage;
mod verify;
#[cfg(target_os = "linux")]
pub mod walk;

pub use blob::BlobWriter;
pub use collect::{PruneOptions, Pruned};
pub use error::{LayerIndexError, StoreError};
pub use lease::Lease;
pub use refs::StoredReference;
#[cfg(target_os = "linux")]
pub use snapshot::{
    CacheMount, CacheMountOptions, CacheSharing, CommitOptions, SnapshotError, Upper,
};
pub use store::{Store, StoreOptions};
pub use usage::Usage;
