//! One entry of a layer: a path, what is there, and its metadata.
//!
//! Paths are raw bytes, because the names of a Linux file system are. They are kept in one clean
//! form (see [`check_path`]), so that two entries are about the same place exactly when their paths
//! are equal.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The prefix of the names that stand for a removal (OCI image specification, "layer.md",
/// section "Whiteouts").
pub const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The name that hides everything that lower layers have in its directory.
pub const OPAQUE_NAME: &[u8] = b".wh..wh..opq";

/// The longest path or link target in bytes: Linux's `PATH_MAX`.
pub const MAX_PATH: usize = 4096;

/// A point in time, before or after 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    pub seconds: i64,
    /// Nanoseconds to add, below 1,000,000,000.
    pub nanos: u32,
}

impl Time {
    /// A whole second.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// The same, without the fraction of a second. This is how layers are written.
    #[must_use]
    pub const fn truncated(self) -> Self {
        Self::from_seconds(self.seconds)
    }
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of `size` bytes, holes included.
    File {
        /// Bytes of content.
        size: u64,
    },
    /// Another name of a file that comes earlier in the layer or lies in a lower one.
    Hardlink {
        /// The other name, in the form of [`Entry::path`].
        target: Vec<u8>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads, exactly as stored.
        target: Vec<u8>,
    },
    /// A directory.
    Directory,
    /// A character device.
    Char {
        /// Major device number.
        major: u32,
        /// Minor device number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Major device number.
        major: u32,
        /// Minor device number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// Lower layers' entry at this path is gone.
    Whiteout,
    /// All that lower layers have in this directory is gone.
    Opaque,
}

impl Kind {
    /// A word for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Hardlink { .. } => "hard link",
            Self::Symlink { .. } => "symbolic link",
            Self::Directory => "directory",
            Self::Char { .. } => "character device",
            Self::Block { .. } => "block device",
            Self::Fifo => "named pipe",
            Self::Whiteout => "whiteout",
            Self::Opaque => "opaque mark",
        }
    }

    /// True for whiteouts and opaque marks, which say what is not there.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        matches!(self, Self::Whiteout | Self::Opaque)
    }
}

/// One entry of a layer or an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root and separated by `/`, without a slash at either end and without `.` or
    /// `..`; empty for the root directory. For a whiteout this is the victim, for an opaque mark
    /// the directory.
    pub path: Vec<u8>,
    /// What is there.
    pub kind: Kind,
    /// Permissions with set-id and sticky bits: `0o7777` and nothing above.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of the content.
    pub mtime: Time,
    /// Extended attributes by full name (`security.capability`), with binary values.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Entry {
    /// An entry with the given place and kind; mode, ids and time are zero.
    #[must_use]
    pub fn new(path: impl Into<Vec<u8>>, kind: Kind) -> Self {
        Self {
            path: path.into(),
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: Time::default(),
            xattrs: BTreeMap::new(),
        }
    }

    /// The mark that removes `victim`, with mode and time zero as BuildKit writes it.
    #[must_use]
    pub fn whiteout(victim: impl Into<Vec<u8>>) -> Self {
        Self::new(victim, Kind::Whiteout)
    }

    /// A directory of root's, at the epoch.
    #[must_use]
    pub fn directory(path: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self {
            mode,
            ..Self::new(path, Kind::Directory)
        }
    }

    /// The path as text for messages; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn display_path(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.path)
    }
}

/// Why a path cannot stand in an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It leads out of the root.
    #[error("the path has a `..`")]
    Escapes,
    /// It has an empty or `.` component, or a slash at an end.
    #[error("the path has an empty or `.` component")]
    NotClean,
    /// It holds a NUL, which no file system can store.
    #[error("the path has a NUL byte")]
    Nul,
    /// It is longer than [`MAX_PATH`].
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
    /// Only a directory can be the root.
    #[error("only a directory can be the root of the tree")]
    NotARoot,
}

/// Checks that `path` is in the form of [`Entry::path`].
///
/// # Errors
/// Says which rule it breaks.
pub fn check_path(path: &[u8]) -> Result<(), InvalidPath> {
    if path.is_empty() {
        return Ok(());
    }
    if path.len() > MAX_PATH {
        return Err(InvalidPath::TooLong);
    }
    if path.contains(&0) {
        return Err(InvalidPath::Nul);
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => return Err(InvalidPath::NotClean),
            b".." => return Err(InvalidPath::Escapes),
            _ => {}
        }
    }
    Ok(())
}

/// Brings a name as archives store it into the form of [`Entry::path`]: leading slashes, `.` and
/// empty components are dropped, as every tar does.
///
/// # Errors
/// When the name has a `..` or a NUL, or is too long.
pub fn clean_path(name: &[u8]) -> Result<Vec<u8>, InvalidPath> {
    if name.contains(&0) {
        return Err(InvalidPath::Nul);
    }
    let mut path = Vec::with_capacity(name.len());
    for component in name.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return Err(InvalidPath::Escapes),
            _ => {}
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(component);
    }
    if path.len() > MAX_PATH {
        return Err(InvalidPath::TooLong);
    }
    Ok(path)
}

/// Splits a clean path into its directory and its last name: `a/b/c` into `a/b` and `c`, `a` into
/// the empty root path and `a`. The root has no name.
#[must_use]
pub fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => Some((&path[..slash], &path[slash + 1..])),
        None => Some((&[], path)),
    }
}

/// Joins a clean directory path and a name.
#[must_use]
pub fn join_path(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !directory.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_as_tar_does() {
        for (name, path) in [
            ("./", ""),
            ("/", ""),
            ("./a/", "a"),
            ("//a//b/./c", "a/b/c"),
            ("a/...", "a/..."),
        ] {
            let cleaned = clean_path(name.as_bytes()).unwrap();
            assert_eq!(cleaned, path.as_bytes(), "{name}");
            check_path(&cleaned).unwrap();
        }
    }

    #[test]
    fn what_leads_out_is_refused() {
        for name in ["..", "../a", "a/../b", "/..", "a/.."] {
            assert_eq!(
                clean_path(name.as_bytes()),
                Err(InvalidPath::Escapes),
                "{name}"
            );
        }
        assert_eq!(clean_path(b"a\0b"), Err(InvalidPath::Nul));
        assert_eq!(clean_path(&[b'a'; 4097]), Err(InvalidPath::TooLong));
    }

    #[test]
    fn unclean_paths_are_told_from_clean_ones() {
        for path in ["/a", "a/", "a//b", "./a", "a/."] {
            assert_eq!(
                check_path(path.as_bytes()),
                Err(InvalidPath::NotClean),
                "{path}"
            );
        }
        check_path(b"").unwrap();
        check_path("a/\u{e4}/..b".as_bytes()).unwrap();
    }

    #[test]
    fn splitting_and_joining_are_inverse() {
        for path in [&b"a"[..], b"a/b", b"a/b/c"] {
            let (directory, name) = split_path(path).unwrap();
            assert_eq!(join_path(directory, name), path);
        }
        assert_eq!(split_path(b""), None);
    }
}
