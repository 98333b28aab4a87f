//! Writes a new layer.

use std::io::{self, Read, Write};

use kiln_oci::{Digest, Hasher};

use super::LayerError;
use super::pipeline::Pipeline;
use crate::entry::{Entry, Kind, WHITEOUT_PREFIX};
use crate::index::{IndexEntry, KEPT_PATHS, LayerIndex, MAX_KEPT};
use crate::tar::{BLOCK, END, TarErrorKind, encode_header, padding};

/// Writes a layer's tar to `W` and makes its index in the same pass.
///
/// Memory does not grow with content. Dropped without [`finish`](Self::finish), it drops `W`, which
/// should remove what was written.
#[derive(Debug)]
pub struct LayerWriter<W> {
    pipeline: Pipeline<W>,
    entries: Vec<IndexEntry>,
    scratch: Vec<u8>,
    /// An entry's content broke off: what was written is no archive any more.
    broken: bool,
    /// Whether times keep their fraction of a second.
    nanos: bool,
}

impl<W: Write + Send + 'static> LayerWriter<W> {
    /// A layer without entries. `out` is written to on a thread of its own.
    pub fn new(out: W) -> Self {
        Self {
            pipeline: Pipeline::new(out),
            entries: Vec::new(),
            scratch: Vec::new(),
            broken: false,
            nanos: false,
        }
    }

    /// From now on times keep their fraction of a second, in PAX records. For layers that are made of
    /// other layers: what is rewritten there must not get older.
    #[must_use]
    pub fn with_nanos(mut self) -> Self {
        self.nanos = true;
        self
    }

    /// Bytes of the tar so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.pipeline.written()
    }

    /// The entries so far.
    #[must_use]
    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Adds an entry that has no content; an empty file is one, too. Its time is cut to seconds, unless
    /// [`with_nanos`](Self::with_nanos) says otherwise.
    ///
    /// # Errors
    /// When a layer cannot hold the entry or an earlier write failed.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), LayerError> {
        match entry.kind {
            Kind::File { size: 0 } => self.file(entry, &mut io::empty()).map(drop),
            Kind::File { .. } => Err(LayerError::unwritable(entry, "a file needs its content")),
            _ => {
                self.header(entry)?;
                self.push(entry, None, None);
                Ok(())
            }
        }
    }

    /// Adds a file with its content, exactly as many bytes as the entry says, and gives the
    /// content's digest. After an error in the content the layer cannot be finished any more.
    ///
    /// # Errors
    /// When the entry is no file or a layer cannot hold it, when `content` is shorter or longer or
    /// fails, or when an earlier write failed.
    pub fn file(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<Digest, LayerError> {
        let Kind::File { size } = entry.kind else {
            return Err(LayerError::unwritable(entry, "only files have content"));
        };
        self.header(entry)?;
        let keep = size <= MAX_KEPT && KEPT_PATHS.contains(&&entry.path[..]);
        let mut kept = keep.then(Vec::new);
        let offset = self.pipeline.written();
        self.broken = true;
        let digest = self.copy(entry, size, content, kept.as_mut())?;
        self.broken = false;
        self.push_at(entry, offset, Some(digest), kept);
        self.put(&[0; BLOCK][..padding(size)])?;
        Ok(digest)
    }

    /// Ends the layer. Gives `W` back, flushed, and the index.
    ///
    /// # Errors
    /// When a write failed.
    pub fn finish(mut self) -> Result<(W, LayerIndex), LayerError> {
        self.check_whole()?;
        self.put(&END)?;
        let Self {
            pipeline, entries, ..
        } = self;
        let (out, diff_id, size) = pipeline
            .finish()
            .map_err(|source| LayerError::Output { source })?;
        let index = LayerIndex {
            diff_id,
            size,
            entries,
        };
        Ok((out, index))
    }

    fn check_whole(&self) -> Result<(), LayerError> {
        if self.broken {
            let source = io::Error::other("the content of an entry before broke off");
            return Err(LayerError::Output { source });
        }
        Ok(())
    }

    fn header(&mut self, entry: &Entry) -> Result<(), LayerError> {
        self.check_whole()?;
        if !entry.kind.is_removal() {
            check_names(entry)?;
        }
        self.scratch.clear();
        encode_header(entry, self.nanos, &mut self.scratch)
            .map_err(|kind| LayerError::tar(self.pipeline.written(), entry, kind))?;
        let result = self.pipeline.put(&self.scratch);
        result.map_err(|source| LayerError::Output { source })
    }

    /// Reads the content straight into the blocks of the pipeline, hashing it there.
    fn copy(
        &mut self,
        entry: &Entry,
        size: u64,
        content: &mut dyn Read,
        mut kept: Option<&mut Vec<u8>>,
    ) -> Result<Digest, LayerError> {
        let mut hasher = Hasher::sha256();
        let mut left = size;
        while left > 0 {
            let room = self
                .pipeline
                .room()
                .map_err(|source| LayerError::Output { source })?;
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
            match content.read(&mut room[..len]) {
                Ok(0) => break,
                Ok(read) => {
                    let bytes = self.pipeline.fill(read);
                    hasher.update(bytes);
                    if let Some(kept) = &mut kept {
                        kept.extend_from_slice(bytes);
                    }
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.tar_error(entry, TarErrorKind::Io(error))),
            }
        }
        let more = if left == 0 {
            crate::tar::at_end(content)
                .map_err(|error| self.tar_error(entry, TarErrorKind::Io(error)))?
        } else {
            0
        };
        if left > 0 || more > 0 {
            let kind = TarErrorKind::ContentSize {
                expected: size,
                found: size - left + more,
            };
            return Err(self.tar_error(entry, kind));
        }
        Ok(hasher.finish())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        self.pipeline
            .put(bytes)
            .map_err(|source| LayerError::Output { source })
    }

    fn push(&mut self, entry: &Entry, content: Option<Digest>, kept: Option<Vec<u8>>) {
        self.push_at(entry, self.pipeline.written(), content, kept);
    }

    fn push_at(
        &mut self,
        entry: &Entry,
        offset: u64,
        content: Option<Digest>,
        kept: Option<Vec<u8>>,
    ) {
        // The index says what a reader of the tar finds.
        let mut entry = entry.clone();
        if !self.nanos {
            entry.mtime = entry.mtime.truncated();
        }
        if entry.kind.is_removal() {
            entry.xattrs.clear();
        }
        self.entries.push(IndexEntry {
            entry,
            content,
            offset,
            extents: Vec::new(),
            kept,
        });
    }

    fn tar_error(&self, entry: &Entry, kind: TarErrorKind) -> LayerError {
        LayerError::tar(self.pipeline.written(), entry, kind)
    }
}

/// A file named `.wh.x` would come back as the removal of `x`.
fn check_names(entry: &Entry) -> Result<(), LayerError> {
    let reserved = |path: &[u8]| {
        path.split(|byte| *byte == b'/')
            .any(|name| name.starts_with(WHITEOUT_PREFIX))
    };
    let link_reserved = matches!(&entry.kind, Kind::Hardlink { target } if reserved(target));
    if reserved(&entry.path) || link_reserved {
        let reason = "names that begin with `.wh.` stand for removed files there";
        return Err(LayerError::unwritable(entry, reason));
    }
    Ok(())
}
