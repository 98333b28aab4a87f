//! What can be wrong with an archive, and where.

use std::fmt;
use std::io;

use crate::entry::InvalidPath;

/// A failure to read or write an archive, with its place.
#[derive(Debug)]
pub struct TarError {
    /// Byte of the uncompressed archive where the trouble was met: a header's begin, or the end of
    /// what was read.
    pub offset: u64,
    /// The entry's path, where it was known.
    pub path: Option<Vec<u8>>,
    /// What is wrong.
    pub kind: TarErrorKind,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarErrorKind {
    /// The bytes beneath could not be read or written.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The archive ends in the middle of something.
    #[error("the archive ends too early")]
    Truncated,
    /// A header's bytes do not add up to its checksum: damage, or not a tar at all.
    #[error("the header's checksum is wrong (damaged, or not a tar archive)")]
    Checksum,
    /// A header field is not a number, or one that is out of range.
    #[error("the header's {field} field is not a number in range")]
    Number {
        /// The field's name.
        field: &'static str,
    },
    /// Sizes that no file system can hold.
    #[error("the size {size} is absurd")]
    Size {
        /// Bytes that the header claims.
        size: u64,
    },
    /// A path that cannot be used.
    #[error("{0}")]
    Path(#[from] InvalidPath),
    /// A hard link without a usable target.
    #[error(
        "the link's target `{}` cannot be used: {reason}",
        String::from_utf8_lossy(target)
    )]
    LinkTarget {
        /// The target as stored.
        target: Vec<u8>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name below `.wh.` that is no whiteout.
    #[error("`.wh.` names have no such meaning: {0}")]
    Whiteout(&'static str),
    /// A type of entry that layers do not have.
    #[error("entries of type `{}` are not supported", (*.0).escape_ascii())]
    Type(u8),
    /// An extended header that breaks its grammar.
    #[error("the extended header is malformed: {0}")]
    Pax(&'static str),
    /// A map of holes that does not fit the file.
    #[error("the map of the sparse file is malformed: {0}")]
    Sparse(&'static str),
    /// One of the [`Limits`](super::Limits) was reached.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// Entries follow a block of zeros, so that readers disagree on where the archive ends.
    #[error("entries follow the end of the archive")]
    AfterEnd,
    /// What was to be written does not fit the format.
    #[error("cannot be stored: {0}")]
    Unwritable(&'static str),
    /// A file whose content is longer or shorter than announced.
    #[error("the content is not {expected} bytes long but {}", found_size(*.found, *.expected))]
    ContentSize {
        /// Bytes that the header says.
        expected: u64,
        /// Bytes that came; one more than expected when there was no end.
        found: u64,
    },
}

fn found_size(found: u64, expected: u64) -> String {
    if found > expected {
        "longer".to_owned()
    } else {
        found.to_string()
    }
}

impl TarError {
    pub(crate) fn new(offset: u64, path: Option<&[u8]>, kind: TarErrorKind) -> Self {
        Self {
            offset,
            path: path.map(<[u8]>::to_vec),
            kind,
        }
    }
}

impl TarError {
    /// The same for the entry at `path`.
    pub(super) fn of(self, path: &[u8]) -> Self {
        Self {
            path: Some(path.to_vec()),
            ..self
        }
    }
}

impl fmt::Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            // Long hostile names would drown the message.
            let shown = &path[..path.len().min(300)];
            write!(f, "`{}`: ", String::from_utf8_lossy(shown))?;
        }
        write!(f, "{} (at byte {})", self.kind, self.offset)
    }
}

impl std::error::Error for TarError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            // The message already holds the io error's own.
            TarErrorKind::Io(error) => error.source(),
            kind => std::error::Error::source(kind),
        }
    }
}

impl From<TarError> for io::Error {
    fn from(error: TarError) -> Self {
        let kind = match &error.kind {
            TarErrorKind::Io(inner) => inner.kind(),
            TarErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
