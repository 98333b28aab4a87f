//! Reads archives of every kind in use: version 7, ustar, PAX, star and GNU, with long names, big
//! numbers and sparse files.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use super::error::{TarError, TarErrorKind};
use super::header::{self, Block, Format};
use super::pax;
use super::sparse::{Expansion, Extent, check_map};
use super::{BLOCK, padding};
use crate::entry::{
    Entry, InvalidPath, Kind, MAX_PATH, OPAQUE_NAME, Time, WHITEOUT_PREFIX, clean_path, join_path,
    split_path,
};

/// The most bytes that one extended header or long name may have.
pub(super) const MAX_EXTENDED_HEADER: usize = 1 << 20;

/// Room for a few ordinary files in one read.
const BUFFER: usize = 128 << 10;

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

/// What headers before an entry say about it.
#[derive(Clone, Debug, Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Time>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    sparse: PaxSparse,
}

/// The `GNU.sparse.*` records.
#[derive(Clone, Debug, Default)]
struct PaxSparse {
    present: bool,
    major: u64,
    name: Option<Vec<u8>>,
    size: Option<u64>,
    /// Offsets and lengths in turn.
    numbers: Vec<u64>,
}

impl<R: Read> TarReader<R> {
    /// Reads an uncompressed archive from `input`. It is buffered here.
    pub fn new(input: R, dialect: Dialect) -> Self {
        Self::with_limits(input, dialect, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(input: R, dialect: Dialect, limits: Limits) -> Self {
        Self {
            input: Counted {
                inner: BufReader::with_capacity(BUFFER, input),
                position: 0,
            },
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
    pub fn drain(mut self) -> io::Result<()> {
        self.input.skip(u64::MAX).map(drop)
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
        skipped.map_err(|error| TarError {
            path: Some(body.path),
            ..error
        })
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
                let (map, size) =
                    self.pax_map(&extended.sparse, stored)
                        .map_err(|error| TarError {
                            path: Some(name.clone()),
                            ..error
                        })?;
                self.sparse_body(map, size).map_err(place)?
            }
            RawKind::File => {
                self.body.expansion = Expansion::dense(stored);
                Kind::File { size: stored }
            }
            RawKind::OldSparse => {
                let (map, size) = self.old_gnu_map(begin, block)?;
                self.sparse_body(map, size).map_err(place)?
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

    /// The map of a sparse file in one of the PAX formats, and the file's size. In format 1.0 the
    /// map stands before the data.
    fn pax_map(&mut self, sparse: &PaxSparse, stored: u64) -> Result<(Vec<Extent>, u64), TarError> {
        let begin = self.input.position;
        let place = |kind| TarError::new(begin, None, kind);
        let size = sparse
            .size
            .ok_or_else(|| place(TarErrorKind::Sparse("it has no size")))?;
        if sparse.major == 0 {
            return Ok((extents_of(&sparse.numbers).map_err(place)?, size));
        }
        let mut lines = MapLines::default();
        let mut numbers = Vec::new();
        let mut wanted = None;
        let mut read = 0;
        while wanted != Some(numbers.len() as u64) {
            let Some(number) = lines.next_number().map_err(place)? else {
                read += BLOCK as u64;
                let too_long = numbers.len() * 8 > MAX_EXTENDED_HEADER;
                if read > stored || too_long {
                    return Err(place(TarErrorKind::Sparse("it has no end")));
                }
                let block = self.input.block()?;
                let block = block.ok_or_else(|| self.input.truncated())?;
                lines.feed(&block);
                continue;
            };
            match wanted {
                None => wanted = Some(number.saturating_mul(2)),
                Some(_) => numbers.push(number),
            }
        }
        self.body.offset = self.input.position;
        self.body.left = stored - read;
        Ok((extents_of(&numbers).map_err(place)?, size))
    }

    /// The map of a sparse file in GNU's first format: four pieces in the header, then blocks of 21
    /// while a flag says so.
    fn old_gnu_map(&mut self, begin: u64, block: &Block) -> Result<(Vec<Extent>, u64), TarError> {
        let place = |kind| TarError::new(begin, None, kind);
        let absurd = TarErrorKind::Sparse("its size is not a number");
        let size = header::parse_number(&block[483..495]);
        let size = size.and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| place(absurd))?;
        let mut numbers = Vec::new();
        let mut more = block[482] != 0;
        take_pieces(&block[386..482], &mut numbers).map_err(place)?;
        while more {
            if numbers.len() * 8 > MAX_EXTENDED_HEADER {
                return Err(place(TarErrorKind::Sparse("it has no end")));
            }
            let block = self.input.block()?;
            let block = block.ok_or_else(|| self.input.truncated())?;
            more = block[504] != 0;
            take_pieces(&block[..504], &mut numbers).map_err(place)?;
        }
        self.body.offset = self.input.position;
        Ok((extents_of(&numbers).map_err(place)?, size))
    }

    fn sparse_body(&mut self, map: Vec<Extent>, size: u64) -> Result<Kind, TarErrorKind> {
        if i64::try_from(size).is_err() {
            return Err(TarErrorKind::Size { size });
        }
        let map = check_map(map, size, self.body.left)?;
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
        result.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::UnexpectedEof => TarErrorKind::Truncated,
                io::ErrorKind::Interrupted => return error,
                _ => TarErrorKind::Io(error),
            };
            TarError::new(self.input.position, Some(&self.body.path), kind).into()
        })
    }
}

/// A buffered reader that knows where it is.
#[derive(Debug)]
struct Counted<R> {
    inner: BufReader<R>,
    position: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read> Counted<R> {
    fn truncated(&self) -> TarError {
        TarError::new(self.position, None, TarErrorKind::Truncated)
    }

    fn failed(&self, error: io::Error) -> TarError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof if error.get_ref().is_none() => self.truncated(),
            _ => TarError::new(self.position, None, TarErrorKind::Io(error)),
        }
    }

    /// The next block, or nothing at the very end.
    fn block(&mut self) -> Result<Option<Block>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.truncated()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(Some(block))
    }

    /// Appends exactly `len` bytes.
    fn append(&mut self, out: &mut Vec<u8>, len: u64) -> Result<(), TarError> {
        match self.take(len).read_to_end(out) {
            Ok(read) if read as u64 == len => Ok(()),
            Ok(_) => Err(self.truncated()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn skip_exactly(&mut self, len: u64) -> Result<(), TarError> {
        match self.skip(len) {
            Ok(skipped) if skipped == len => Ok(()),
            Ok(_) => Err(self.truncated()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Passes over up to `len` bytes and says how many there were.
    fn skip(&mut self, len: u64) -> io::Result<u64> {
        let mut left = len;
        while left > 0 {
            let available = match self.inner.fill_buf() {
                Ok(buffer) => buffer.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available == 0 {
                break;
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(available);
            self.inner.consume(step);
            self.position += step as u64;
            left -= step as u64;
        }
        Ok(len - left)
    }
}

/// GNU's long names; records of an extended header count more.
#[derive(Default)]
struct LongNames {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl LongNames {
    fn apply(&mut self, extended: &mut Extended) {
        extended.path = extended.path.take().or(self.path.take());
        extended.link = extended.link.take().or(self.link.take());
    }
}

impl Extended {
    /// Adds the records of an extended header. An empty value takes a record back.
    fn take(&mut self, body: &[u8]) -> Result<(), TarErrorKind> {
        for record in pax::records(body) {
            let (key, value) = record?;
            if let Some(name) = key.strip_prefix(pax::XATTR) {
                self.take_xattr(name, value)?;
            } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                self.sparse.take(key, value)?;
            } else {
                self.take_field(key, value)?;
            }
        }
        Ok(())
    }

    fn take_field(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        fn given<T>(
            value: &[u8],
            parse: impl Fn(&[u8]) -> Option<T>,
            field: &'static str,
        ) -> Result<Option<T>, TarErrorKind> {
            if value.is_empty() {
                return Ok(None);
            }
            let parsed = parse(value).ok_or(TarErrorKind::Number { field })?;
            Ok(Some(parsed))
        }
        let id = |value: &[u8]| u32::try_from(pax::parse_decimal(value)?).ok();
        match key {
            b"path" => self.path = name_of(value)?,
            b"linkpath" => self.link = name_of(value)?,
            b"size" => self.size = given(value, pax::parse_decimal, "size")?,
            b"uid" => self.uid = given(value, id, "uid")?,
            b"gid" => self.gid = given(value, id, "gid")?,
            b"mtime" => self.mtime = given(value, pax::parse_time, "mtime")?,
            _ => {}
        }
        Ok(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        if name.is_empty() || name.contains(&0) {
            return Err(TarErrorKind::Pax(
                "an extended attribute has no usable name",
            ));
        }
        // They would steer the overlay file system in which the layer is mounted.
        let steers = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
        if !steers {
            self.xattrs.insert(name.to_vec(), value.to_vec());
        }
        Ok(())
    }

    /// Only what can sensibly hold for many entries.
    fn keep_global(&mut self) {
        *self = Self {
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            ..Self::default()
        };
    }
}

fn name_of(value: &[u8]) -> Result<Option<Vec<u8>>, TarErrorKind> {
    if value.contains(&0) {
        return Err(InvalidPath::Nul.into());
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

impl PaxSparse {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarErrorKind> {
        self.present = true;
        let number = || {
            let number = pax::parse_decimal(value);
            number.ok_or(TarErrorKind::Sparse("a record is not a number"))
        };
        match key {
            b"major" => self.major = number()?,
            b"name" => self.name = name_of(value)?,
            b"size" | b"realsize" => self.size = Some(number()?),
            // Format 0.0: one pair of records for each piece.
            b"offset" if self.numbers.len().is_multiple_of(2) => self.numbers.push(number()?),
            b"numbytes" if !self.numbers.len().is_multiple_of(2) => self.numbers.push(number()?),
            b"offset" | b"numbytes" => {
                return Err(TarErrorKind::Sparse("its records are not in pairs"));
            }
            b"map" => {
                self.numbers.clear();
                for part in value
                    .split(|byte| *byte == b',')
                    .filter(|part| !part.is_empty())
                {
                    let number = pax::parse_decimal(part);
                    let number = number.ok_or(TarErrorKind::Sparse("its map has a bad number"))?;
                    self.numbers.push(number);
                }
            }
            // `minor` and `numblocks` say nothing that is needed.
            _ => {}
        }
        Ok(())
    }
}

fn extents_of(numbers: &[u64]) -> Result<Vec<Extent>, TarErrorKind> {
    let pairs = numbers.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(TarErrorKind::Sparse("its numbers are not in pairs"));
    }
    Ok(pairs
        .map(|pair| Extent {
            offset: pair[0],
            len: pair[1],
        })
        .collect())
}

/// The pieces of an old GNU map: offset and length of 12 bytes each, ended by an empty one.
fn take_pieces(raw: &[u8], numbers: &mut Vec<u64>) -> Result<(), TarErrorKind> {
    for piece in raw.chunks_exact(24) {
        if piece[0] == 0 || piece[12] == 0 {
            break;
        }
        for number in [&piece[..12], &piece[12..]] {
            let number = header::parse_number(number).and_then(|number| u64::try_from(number).ok());
            numbers.push(number.ok_or(TarErrorKind::Sparse("a piece is not a number"))?);
        }
    }
    Ok(())
}

/// The lines of a PAX 1.0 map, fed block by block.
#[derive(Default)]
struct MapLines {
    pending: Vec<u8>,
    begin: usize,
}

impl MapLines {
    fn feed(&mut self, block: &Block) {
        self.pending.drain(..self.begin);
        self.begin = 0;
        self.pending.extend_from_slice(block);
    }

    fn next_number(&mut self) -> Result<Option<u64>, TarErrorKind> {
        let rest = &self.pending[self.begin..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            if rest.len() > 20 {
                return Err(TarErrorKind::Sparse("its map has an endless line"));
            }
            return Ok(None);
        };
        let number = pax::parse_decimal(&rest[..end]);
        self.begin += end + 1;
        number
            .map(Some)
            .ok_or(TarErrorKind::Sparse("its map has a bad number"))
    }
}

/// What a header says the entry is, before names and data are looked at.
enum RawKind {
    File,
    OldSparse,
    /// GNU's directory with a list of names as data.
    Dump,
    Plain(Kind),
}

fn raw_kind(block: &Block, extended: &Extended, name: &[u8]) -> Result<RawKind, TarErrorKind> {
    Ok(match block[header::TYPE] {
        // Version 7 knows directories by their last slash.
        b'0' | b'\0' if name.ends_with(b"/") && !extended.sparse.present => {
            RawKind::Plain(Kind::Directory)
        }
        b'0' | b'\0' | b'7' => RawKind::File,
        b'S' => RawKind::OldSparse,
        b'D' => RawKind::Dump,
        b'5' => RawKind::Plain(Kind::Directory),
        b'6' => RawKind::Plain(Kind::Fifo),
        b'1' => RawKind::Plain(Kind::Hardlink {
            target: hardlink_target(raw_link(block, extended))?,
        }),
        b'2' => RawKind::Plain(Kind::Symlink {
            target: symlink_target(raw_link(block, extended))?,
        }),
        flag @ (b'3' | b'4') => {
            let major = header::unsigned32(block, header::DEV_MAJOR)?;
            let minor = header::unsigned32(block, header::DEV_MINOR)?;
            RawKind::Plain(match flag {
                b'3' => Kind::Char { major, minor },
                _ => Kind::Block { major, minor },
            })
        }
        flag => return Err(TarErrorKind::Type(flag)),
    })
}

fn hardlink_target(link: Vec<u8>) -> Result<Vec<u8>, TarErrorKind> {
    let reason = match clean_path(&link) {
        Ok(target) if !target.is_empty() => return Ok(target),
        Ok(_) => "it is the root directory",
        Err(InvalidPath::Escapes) => "it has a `..`",
        Err(InvalidPath::TooLong) => "it is too long",
        Err(_) => "it has a NUL byte",
    };
    Err(TarErrorKind::LinkTarget {
        target: link,
        reason,
    })
}

fn symlink_target(link: Vec<u8>) -> Result<Vec<u8>, TarErrorKind> {
    let reason = if link.is_empty() {
        "it is empty"
    } else if link.len() > MAX_PATH {
        "it is too long"
    } else {
        return Ok(link);
    };
    Err(TarErrorKind::LinkTarget {
        target: link,
        reason,
    })
}

fn raw_name(block: &Block, extended: &Extended) -> Vec<u8> {
    if let Some(name) = extended.sparse.name.as_ref().or(extended.path.as_ref()) {
        return name.clone();
    }
    let name = header::text(block, header::NAME);
    let mut prefix = match header::format(block) {
        Format::Posix => header::text(block, header::PREFIX),
        Format::Star => header::until_nul(&header::bytes(block, header::PREFIX)[..131]),
        Format::V7 | Format::Gnu => &[],
    };
    if prefix.is_empty() {
        return name.to_vec();
    }
    if prefix.ends_with(b"/") {
        prefix = &prefix[..prefix.len() - 1];
    }
    [prefix, b"/", name].concat()
}

fn raw_link(block: &Block, extended: &Extended) -> Vec<u8> {
    match &extended.link {
        Some(link) => link.clone(),
        None => header::text(block, header::LINK).to_vec(),
    }
}

/// The entry with everything but its kind.
fn metadata(block: &Block, extended: &Extended, path: Vec<u8>) -> Result<Entry, TarErrorKind> {
    let id = |given: Option<u32>, field| match given {
        Some(id) => Ok(id),
        None => header::unsigned32(block, field),
    };
    let mtime = match extended.mtime {
        Some(time) => time,
        None => Time::from_seconds(header::number(block, header::MTIME)?),
    };
    Ok(Entry {
        path,
        kind: Kind::Directory,
        // Some writers put the file's type into the mode as well.
        mode: (header::number(block, header::MODE)? & 0o7777) as u32,
        uid: id(extended.uid, header::UID)?,
        gid: id(extended.gid, header::GID)?,
        mtime,
        xattrs: extended.xattrs.clone(),
    })
}

/// Gives `.wh.` names their meaning; nothing for AUFS's own files.
fn in_layer(mut entry: Entry) -> Result<Option<Entry>, TarErrorKind> {
    let Some((parent, name)) = split_path(&entry.path) else {
        return Ok(Some(entry));
    };
    let aufs = |name: &[u8]| name.starts_with(b".wh..wh.");
    if entry.path.split(|byte| *byte == b'/').any(aufs) {
        if name != OPAQUE_NAME || parent.split(|byte| *byte == b'/').any(aufs) {
            return Ok(None);
        }
        entry.path = parent.to_vec();
        entry.kind = Kind::Opaque;
        entry.xattrs.clear();
        return Ok(Some(entry));
    }
    if parent
        .split(|byte| *byte == b'/')
        .any(|name| name.starts_with(WHITEOUT_PREFIX))
    {
        return Err(TarErrorKind::Whiteout("something lies below a whiteout"));
    }
    if let Kind::Hardlink { target } = &entry.kind
        && split_path(target).is_some_and(|(_, name)| name.starts_with(WHITEOUT_PREFIX))
        && !name.starts_with(WHITEOUT_PREFIX)
    {
        return Err(TarErrorKind::Whiteout("a hard link leads to a whiteout"));
    }
    let Some(victim) = name.strip_prefix(WHITEOUT_PREFIX) else {
        return Ok(Some(entry));
    };
    if matches!(victim, b"" | b"." | b"..") {
        return Err(TarErrorKind::Whiteout("a whiteout has no victim"));
    }
    entry.path = join_path(parent, victim);
    entry.kind = Kind::Whiteout;
    entry.xattrs.clear();
    Ok(Some(entry))
}
