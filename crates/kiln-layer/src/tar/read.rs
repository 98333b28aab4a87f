//! Reads archives of every kind in use: version 7, ustar, PAX, star and GNU, with long names, big
//! numbers and sparse files.

use std::io::{self, Read};

use super::error::{TarError, TarErrorKind};
use super::extended::{Extended, LongNames};
use super::fields::{RawKind, metadata, raw_kind, raw_name};
use super::header::{self, Block};
use super::input::Counted;
use super::sparse::{Expansion, Extent, check_map};
use super::sparse_map::{Map, old_gnu_map, pax_map};
use super::whiteout::in_layer;
use super::{BLOCK, padding};
use crate::entry::{Entry, InvalidPath, Kind, clean_path};

/// The most bytes that one extended header or long name may have.
pub(super) const MAX_EXTENDED_HEADER: usize = 1 << 20;

/// What `.wh.` names mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// An image's layer: they are whiteouts and opaque marks. The leftovers of AUFS
    /// (`.wh..wh.plnk` and the like) are dropped.
    Layer,
    /// Any archive: they are ordinary names.
    Archive,
}

/// Bounds on what an archive may make its reader do. The defaults are far above what images have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Headers of any kind.
    pub headers: u64,
    /// Bytes of names, link targets and extended attributes, all entries together.
    pub metadata: u64,
    /// Bytes of holes in sparse files, all entries together: they cost nothing to store but time to
    /// read.
    pub holes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: 20_000_000,
            metadata: 1 << 30,
            holes: 1 << 38,
        }
    }
}

/// Reads an archive entry by entry.
///
/// After [`next_entry`](Self::next_entry) has given a file, the reader itself is [`Read`] for the
/// file's bytes, holes filled with zeros. What is not read is skipped.
#[derive(Debug)]
pub struct TarReader<R> {
    input: Counted<R>,
    dialect: Dialect,
    limits: Limits,
    used: Limits,
    globals: Extended,
    body: Body,
    finished: bool,
}

/// The data of the current entry.
#[derive(Debug, Default)]
struct Body {
    path: Vec<u8>,
    offset: u64,
    /// Stored bytes that were not read, without padding.
    left: u64,
    padding: u64,
    extents: Vec<Extent>,
    expansion: Expansion,
}

impl<R: Read> TarReader<R> {
    /// Reads an uncompressed archive from `input`. It is buffered here.
    pub fn new(input: R, dialect: Dialect) -> Self {
        Self::with_limits(input, dialect, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(input: R, dialect: Dialect, limits: Limits) -> Self {
        Self {
            input: Counted::new(input),
            dialect,
            limits,
            used: Limits {
                headers: 0,
                metadata: 0,
                holes: 0,
            },
            globals: Extended::default(),
            body: Body::default(),
            finished: false,
        }
    }

    /// Where the current entry's data begins in the archive.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.body.offset
    }

    /// The pieces of the current file that are stored, when it has holes; they lie one after the
    /// other from [`offset`](Self::offset) on. Empty when it has none: then all of it is stored.
    /// One empty extent stands for a file that is nothing but a hole.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.body.extents
    }

    /// The next entry, or nothing at the archive's end.
    ///
    /// # Errors
    /// When the archive is damaged, hostile or truncated. The reader gives nothing after that.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        if self.finished {
            return Ok(None);
        }
        let result = self.read_entry();
        if !matches!(result, Ok(Some(_))) {
            self.finished = true;
            self.body = Body::default();
        }
        result
    }

    /// Reads on to the end of the input, past what pads the archive.
    ///
    /// # Errors
    /// When the input fails.
    pub fn drain(mut self) -> Result<(), TarError> {
        let skipped = self.input.skip(u64::MAX).map(drop);
        skipped.map_err(|error| self.input.failed(error))
    }

    fn read_entry(&mut self) -> Result<Option<Entry>, TarError> {
        self.skip_body()?;
        let mut extended = self.globals.clone();
        let mut long = LongNames::default();
        loop {
            let begin = self.input.position;
            let Some(block) = self.header_block()? else {
                return Ok(None);
            };
            let place = |kind| TarError::new(begin, None, kind);
            let size = header::unsigned(&block, header::SIZE).map_err(place)?;
            match block[header::TYPE] {
                b'x' | b'X' => {
                    let body = self.extended_body(begin, size)?;
                    extended = self.globals.clone();
                    extended.take(&body).map_err(place)?;
                }
                // What unpacks layers passes over them, so there they must mean nothing.
                b'g' if self.dialect == Dialect::Layer => self.skip_data(size)?,
                b'g' => {
                    let body = self.extended_body(begin, size)?;
                    self.globals.take(&body).map_err(place)?;
                    self.globals.keep_global();
                    extended = self.globals.clone();
                }
                b'L' => long.path = Some(self.long_name(begin, size)?),
                b'K' => long.link = Some(self.long_name(begin, size)?),
                // A volume's label.
                b'V' => self.skip_data(size)?,
                _ => {
                    long.apply(&mut extended);
                    if let Some(entry) = self.entry_of(begin, &block, size, &extended)? {
                        return Ok(Some(entry));
                    }
                    self.skip_body()?;
                    extended = self.globals.clone();
                    long = LongNames::default();
                }
            }
        }
    }

    /// The next header, checked; nothing at the end of the archive.
    fn header_block(&mut self) -> Result<Option<Block>, TarError> {
        let begin = self.input.position;
        let Some(block) = self.input.block()? else {
            // Archives without an end mark exist; one that ends between entries is taken as whole.
            return Ok(None);
        };
        if block == [0; BLOCK] {
            return match self.input.block()? {
                Some(block) if block != [0; BLOCK] => {
                    Err(TarError::new(begin, None, TarErrorKind::AfterEnd))
                }
                _ => Ok(None),
            };
        }
        if !header::checksum_matches(&block) {
            return Err(TarError::new(begin, None, TarErrorKind::Checksum));
        }
        self.used.headers += 1;
        if self.used.headers > self.limits.headers {
            let kind = TarErrorKind::TooMuch {
                what: "headers",
                limit: self.limits.headers,
            };
            return Err(TarError::new(begin, None, kind));
        }
        Ok(Some(block))
    }

    fn extended_body(&mut self, begin: u64, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_EXTENDED_HEADER as u64 {
            let kind = TarErrorKind::TooMuch {
                what: "bytes of extended header",
                limit: MAX_EXTENDED_HEADER as u64,
            };
            return Err(TarError::new(begin, None, kind));
        }
        let mut body = Vec::with_capacity(size as usize);
        self.input.append(&mut body, size)?;
        self.input.skip_exactly(padding(size) as u64)?;
        Ok(body)
    }

    fn long_name(&mut self, begin: u64, size: u64) -> Result<Vec<u8>, TarError> {
        let mut name = self.extended_body(begin, size)?;
        name.truncate(header::until_nul(&name).len());
        Ok(name)
    }

    fn skip_data(&mut self, size: u64) -> Result<(), TarError> {
        self.input.skip_exactly(size)?;
        self.input.skip_exactly(padding(size) as u64)
    }

    fn skip_body(&mut self) -> Result<(), TarError> {
        let body = std::mem::take(&mut self.body);
        let skipped = self
            .input
            .skip_exactly(body.left)
            .and_then(|()| self.input.skip_exactly(body.padding));
        skipped.map_err(|error| error.of(&body.path))
    }

    /// Makes the entry of a main header and sets up its body. Nothing if it is to be dropped.
    fn entry_of(
        &mut self,
        begin: u64,
        block: &Block,
        size: u64,
        extended: &Extended,
    ) -> Result<Option<Entry>, TarError> {
        let name = raw_name(block, extended);
        let place = |kind| TarError::new(begin, Some(&name), kind);
        let stored = extended.size.unwrap_or(size);
        if i64::try_from(stored).is_err() {
            return Err(place(TarErrorKind::Size { size: stored }));
        }
        let kind = raw_kind(block, extended, &name).map_err(place)?;
        let path = clean_path(&name).map_err(|error| place(error.into()))?;
        let has_data = matches!(kind, RawKind::File | RawKind::OldSparse | RawKind::Dump);
        self.body = Body {
            path: path.clone(),
            offset: self.input.position,
            left: if has_data { stored } else { 0 },
            padding: if has_data { padding(stored) as u64 } else { 0 },
            ..Body::default()
        };
        let mut entry = metadata(block, extended, path).map_err(place)?;
        entry.kind = match kind {
            RawKind::File if extended.sparse.present => {
                let map = pax_map(&mut self.input, &extended.sparse, stored);
                let map = map.map_err(|error| error.of(&name))?;
                self.sparse_body(map).map_err(place)?
            }
            RawKind::OldSparse => {
                let map = old_gnu_map(&mut self.input, begin, block);
                let map = map.map_err(|error| error.of(&name))?;
                self.sparse_body(map).map_err(place)?
            }
            RawKind::File => {
                self.body.expansion = Expansion::dense(stored);
                Kind::File { size: stored }
            }
            RawKind::Dump => Kind::Directory,
            RawKind::Plain(kind) => kind,
        };
        if entry.path.is_empty() && entry.kind != Kind::Directory {
            return Err(place(InvalidPath::NotARoot.into()));
        }
        self.count_metadata(&entry).map_err(place)?;
        match self.dialect {
            Dialect::Archive => Ok(Some(entry)),
            Dialect::Layer => in_layer(entry).map_err(place),
        }
    }

    fn count_metadata(&mut self, entry: &Entry) -> Result<(), TarErrorKind> {
        let target = match &entry.kind {
            Kind::Hardlink { target } | Kind::Symlink { target } => target.len(),
            _ => 0,
        };
        let xattrs = entry.xattrs.iter();
        let xattrs: usize = xattrs.map(|(key, value)| key.len() + value.len()).sum();
        self.used.metadata += (entry.path.len() + target + xattrs) as u64;
        if self.used.metadata > self.limits.metadata {
            return Err(TarErrorKind::TooMuch {
                what: "bytes of names and attributes",
                limit: self.limits.metadata,
            });
        }
        Ok(())
    }

    /// Sets up the body of a sparse file, whose map has just been read.
    fn sparse_body(&mut self, map: Map) -> Result<Kind, TarErrorKind> {
        let Map {
            extents,
            size,
            taken,
        } = map;
        self.body.offset = self.input.position;
        self.body.left -= taken;
        if i64::try_from(size).is_err() {
            return Err(TarErrorKind::Size { size });
        }
        let map = check_map(extents, size, self.body.left)?;
        self.used.holes = self.used.holes.saturating_add(size - self.body.left);
        if self.used.holes > self.limits.holes {
            return Err(TarErrorKind::TooMuch {
                what: "bytes of holes in sparse files",
                limit: self.limits.holes,
            });
        }
        self.body.extents.clone_from(&map);
        if map.is_empty() && size > 0 {
            self.body.extents.push(Extent { offset: 0, len: 0 });
        }
        self.body.expansion = Expansion::new(map, size);
        Ok(Kind::File { size })
    }
}

impl<R: Read> Read for TarReader<R> {
    /// The current file's bytes.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.input.position;
        let result = self.body.expansion.read(&mut self.input, buffer);
        self.body.left -= self.input.position - before;
        result.map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => self.input.failed(error).of(&self.body.path).into(),
        })
    }
}
