//! Why a context could not be walked or read.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A directory could not be walked or one of its files not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct WalkError {
    /// What was to be done.
    pub action: &'static str,
    /// With what.
    pub path: PathBuf,
    /// What failed.
    #[source]
    pub source: io::Error,
}

impl WalkError {
    /// Puts an action and a path below `root` to a system's error.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        root: &Path,
        path: &[u8],
    ) -> impl FnOnce(E) -> Self + use<E> {
        let path = full(root, path);
        move |source| Self {
            action,
            path,
            source: source.into(),
        }
    }

    /// The path is longer than a layer can hold.
    pub(super) fn too_long(root: &Path, path: &[u8]) -> Self {
        let source = io::Error::new(io::ErrorKind::InvalidFilename, "the path is too long");
        Self::io("take", root, path)(source)
    }

    /// The file is not what it was when the directory was walked.
    pub(super) fn changed(root: &Path, path: &[u8]) -> Self {
        Self::io("read", root, path)(io::Error::other("it changed after it was listed"))
    }

    /// No file was found at the path.
    pub(super) fn not_a_file(root: &Path, path: &[u8]) -> Self {
        let source = io::Error::new(io::ErrorKind::NotFound, "no file was found there");
        Self::io("read", root, path)(source)
    }
}

/// The whole path of what lies at `path` below `root`.
fn full(root: &Path, path: &[u8]) -> PathBuf {
    match path {
        b"" => root.to_path_buf(),
        path => root.join(OsStr::from_bytes(path)),
    }
}
