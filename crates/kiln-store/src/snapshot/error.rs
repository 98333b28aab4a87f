//! What can go wrong between layers and directories.

use std::io;
use std::path::{Path, PathBuf};

use kiln_layer::{LayerError, TreeError};
use kiln_oci::Digest;

/// Why a layer could not be unpacked, an upper directory not be made a layer, or a snapshot not be
/// kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// A system call failed.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// An owner that this user namespace does not have.
    #[error(
        "`{path}` belongs to {kind} {id}, but this user namespace has only {ranges}; \
         give the user more subordinate ids (/etc/subuid, /etc/subgid)"
    )]
    IdOutsideMap {
        /// The path in the layer.
        path: String,
        /// `user` or `group`.
        kind: &'static str,
        /// The id that is missing.
        id: u32,
        /// The ids there are, as text: `0-65535`.
        ranges: String,
    },
    /// The layer's tar ends before the file's content does.
    #[error("the tar of layer {layer} ends within `{path}`")]
    Truncated {
        /// The layer's diff id.
        layer: Digest,
        /// The path in the layer.
        path: String,
    },
    /// overlayfs kept a file as a mere reference into a lower layer. kiln mounts so that it does not.
    #[error("`{path}` has the mark `{mark}` of overlayfs and cannot become part of a layer")]
    Reference {
        /// The path in the upper directory.
        path: String,
        /// The extended attribute.
        mark: &'static str,
    },
    /// Layers that do not fit on each other.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The layer could not be written.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A layer that was asked for could not be had.
    #[error("layer {layer} cannot be read")]
    Unavailable {
        /// The layer's diff id.
        layer: Digest,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It waited for another process, and was told to wait no longer.
    #[error("interrupted while waiting for another process")]
    Interrupted,
    /// An id of a cache mount that cannot be a file name.
    #[error("`{id}` cannot name a cache: {reason}")]
    CacheName {
        /// The id as given.
        id: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl SnapshotError {
    /// Puts an action and a path to a system's error.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source: source.into(),
        }
    }

    /// For a lock that was waited for.
    pub(super) fn lock(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let failed = Self::io("lock", path);
        move |source| match source.kind() {
            io::ErrorKind::Interrupted => Self::Interrupted,
            _ => failed(source),
        }
    }
}

/// The path of a layer as text for messages.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
