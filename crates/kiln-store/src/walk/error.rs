//! Why a context could not be walked or read.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Why a directory could not be walked or one of its files not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// A system call failed.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// A path that no layer can hold.
    #[error("`{}` is too long or too deep a path", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
    },
    /// The file is not what it was when the directory was walked.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The path.
        path: PathBuf,
    },
}

impl WalkError {
    /// Puts an action and a path below `root` to a system's error.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        root: &Path,
        path: &[u8],
    ) -> impl FnOnce(E) -> Self + use<E> {
        let path = full(root, path);
        move |source| Self::Io {
            action,
            path,
            source: source.into(),
        }
    }
}

/// The whole path of what lies at `path` below `root`.
pub(super) fn full(root: &Path, path: &[u8]) -> PathBuf {
    match path {
        b"" => root.to_path_buf(),
        path => root.join(OsStr::from_bytes(path)),
    }
}
