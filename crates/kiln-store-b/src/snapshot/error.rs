//! How unpacking a layer and reading changes back fails.

use std::io;

use crate::error::{LayerIndexError, StoreError};

/// A snapshot could not be made, or a directory not become a layer.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// One entry of a layer could not be made.
    #[error("cannot unpack `{path}`")]
    Unpack {
        /// The entry.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An owner that this user namespace does not have.
    #[error(
        "cannot unpack `{path}`: its owner {uid}:{gid} is outside of the ids that this user may use; \
         `kiln doctor` says how to get more"
    )]
    Owner {
        /// The entry.
        path: String,
        /// Its user id.
        uid: u32,
        /// Its group id.
        gid: u32,
    },
    /// A changed file could not be read.
    #[error("cannot read `{path}` back")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The layer does not fit those below it.
    #[error("the layers do not fit together")]
    Tree(#[from] kiln_layer::TreeError),
    /// The layer could not be written.
    #[error("cannot write the layer")]
    Layer(#[from] kiln_layer::LayerError),
    /// A layer is missing or damaged.
    #[error(transparent)]
    Index(#[from] LayerIndexError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
