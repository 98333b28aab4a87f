//! Writes archives: ustar headers, with an extended header only where ustar does not suffice.
//!
//! The bytes are those of containerd and BuildKit (Go's `archive/tar` asked for PAX): no names of
//! owners, zero device numbers, names above 100 bytes split at a slash where that suffices, records
//! sorted by key. The same entries always give the same bytes.

use std::io::{self, Read, Write};

use super::check::check;
use super::error::{TarError, TarErrorKind};
use super::header::{self, Block, Field};
use super::{BLOCK, END, padding, pax};
use crate::entry::{Entry, Kind, OPAQUE_NAME, Time, WHITEOUT_PREFIX, join_path, split_path};

/// Writes an archive to `W`.
#[derive(Debug)]
pub struct TarWriter<W> {
    out: W,
    offset: u64,
    scratch: Vec<u8>,
    nanos: bool,
}

impl<W: Write> TarWriter<W> {
    /// An archive that begins where `out` stands. Times are cut to whole seconds.
    pub fn new(out: W) -> Self {
        Self {
            out,
            offset: 0,
            scratch: Vec::new(),
            nanos: false,
        }
    }

    /// Keeps fractions of seconds, at the cost of an extended header for each entry that has one.
    #[must_use]
    pub fn with_nanos(mut self) -> Self {
        self.nanos = true;
        self
    }

    /// Bytes written so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes an entry that has no content: anything but a file of more than zero bytes.
    ///
    /// # Errors
    /// When the entry cannot be stored or `W` fails.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), TarError> {
        if let Kind::File { size: 1.. } = entry.kind {
            return Err(self.error(entry, TarErrorKind::Unwritable("a file needs its content")));
        }
        self.header(entry)
    }

    /// Writes a file and its content, exactly as many bytes as the entry says.
    ///
    /// # Errors
    /// When the entry is not a file, `content` is shorter or longer, or reading or writing fails.
    pub fn file(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), TarError> {
        let Kind::File { size } = entry.kind else {
            return Err(self.error(entry, TarErrorKind::Unwritable("only files have content")));
        };
        self.header(entry)?;
        let copied = io::copy(&mut content.take(size), &mut self.out)
            .map_err(|error| self.error(entry, TarErrorKind::Io(error)))?;
        self.offset += copied;
        let rest = if copied == size {
            at_end(content).map_err(|error| self.error(entry, TarErrorKind::Io(error)))?
        } else {
            0
        };
        if copied + rest != size {
            let kind = TarErrorKind::ContentSize {
                expected: size,
                found: copied + rest,
            };
            return Err(self.error(entry, kind));
        }
        self.put(entry, &[0; BLOCK][..padding(size)])
    }

    /// Writes the end of the archive and gives `W` back, flushed.
    ///
    /// # Errors
    /// When `W` fails.
    pub fn finish(mut self) -> Result<W, TarError> {
        self.out
            .write_all(&END)
            .and_then(|()| self.out.flush())
            .map_err(|error| TarError::new(self.offset, None, TarErrorKind::Io(error)))?;
        Ok(self.out)
    }

    fn header(&mut self, entry: &Entry) -> Result<(), TarError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let result = match encode_header(entry, self.nanos, &mut scratch) {
            Ok(()) => self.put(entry, &scratch),
            Err(kind) => Err(self.error(entry, kind)),
        };
        self.scratch = scratch;
        result
    }

    fn put(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), TarError> {
        self.out
            .write_all(bytes)
            .map_err(|error| self.error(entry, TarErrorKind::Io(error)))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn error(&self, entry: &Entry, kind: TarErrorKind) -> TarError {
        TarError::new(self.offset, Some(&entry.path), kind)
    }
}

/// Zero if `content` is at its end, one if there is more.
pub(crate) fn at_end(content: &mut dyn Read) -> io::Result<u64> {
    let mut byte = [0];
    loop {
        match content.read(&mut byte) {
            Ok(read) => return Ok(read as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Appends the header of `entry`, with its extended header if it needs one, to `out`: a whole
/// number of blocks. `nanos` keeps fractions of seconds.
///
/// # Errors
/// When the path is not in the form of [`Entry::path`] or something does not fit the format.
pub(crate) fn encode_header(
    entry: &Entry,
    nanos: bool,
    out: &mut Vec<u8>,
) -> Result<(), TarErrorKind> {
    check(entry)?;
    let stored = Stored::of(entry, nanos);
    let mut records = Vec::new();
    put_records(entry, &stored, &mut records);
    if records.is_empty() {
        let block = stored.main_block(split_name(&stored.name));
        out.extend_from_slice(&block);
    } else {
        put_extended_header(&stored.name, &records, out)?;
        out.extend_from_slice(&stored.main_block(None));
    }
    Ok(())
}

/// The fields of an entry as they are stored.
struct Stored {
    name: Vec<u8>,
    link: Vec<u8>,
    type_flag: u8,
    mode: i64,
    uid: i64,
    gid: i64,
    size: i64,
    mtime: Time,
    device: (u32, u32),
}

impl Stored {
    fn of(entry: &Entry, nanos: bool) -> Self {
        let mut stored = Self {
            name: entry.path.clone(),
            link: Vec::new(),
            type_flag: b'0',
            mode: entry.mode.into(),
            uid: entry.uid.into(),
            gid: entry.gid.into(),
            size: 0,
            mtime: if nanos {
                entry.mtime
            } else {
                entry.mtime.truncated()
            },
            device: (0, 0),
        };
        match &entry.kind {
            Kind::File { size } => {
                stored.size = i64::try_from(*size).expect("because `check` looked at it");
            }
            Kind::Hardlink { target } => {
                stored.type_flag = b'1';
                stored.link.clone_from(target);
            }
            Kind::Symlink { target } => {
                stored.type_flag = b'2';
                stored.link.clone_from(target);
            }
            Kind::Char { major, minor } => {
                stored.type_flag = b'3';
                stored.device = (*major, *minor);
            }
            Kind::Block { major, minor } => {
                stored.type_flag = b'4';
                stored.device = (*major, *minor);
            }
            Kind::Directory => {
                stored.type_flag = b'5';
                if entry.path.is_empty() {
                    stored.name.push(b'.');
                }
                stored.name.push(b'/');
            }
            Kind::Fifo => stored.type_flag = b'6',
            Kind::Whiteout => {
                let (parent, name) = split_path(&entry.path).expect("because `check` refused it");
                stored.name = join_path(parent, &[WHITEOUT_PREFIX, name].concat());
            }
            Kind::Opaque => stored.name = join_path(&entry.path, OPAQUE_NAME),
        }
        stored
    }

    /// The ustar header. `split` is the name in its two parts; without it an extended header holds
    /// the whole name, and this one what old readers can make of it.
    fn main_block(&self, split: Option<(&[u8], &[u8])>) -> Block {
        let mut block = [0; BLOCK];
        match split {
            Some((prefix, name)) => {
                header::put_text(&mut block, header::NAME, name);
                header::put_text(&mut block, header::PREFIX, prefix);
                header::put_text(&mut block, header::LINK, &self.link);
            }
            None => {
                header::put_text(&mut block, header::NAME, &ascii_of(&self.name));
                header::put_text(&mut block, header::LINK, &ascii_of(&self.link));
            }
        }
        block[header::TYPE] = self.type_flag;
        for (field, value) in [
            (header::MODE, self.mode),
            (header::UID, self.uid),
            (header::GID, self.gid),
            (header::SIZE, self.size),
            (header::MTIME, self.mtime.seconds),
            (header::DEV_MAJOR, self.device.0.into()),
            (header::DEV_MINOR, self.device.1.into()),
        ] {
            header::put_octal(&mut block, field, value);
        }
        header::seal(&mut block);
        block
    }
}

/// The records that ustar's fields cannot hold, sorted by key.
fn put_records(entry: &Entry, stored: &Stored, records: &mut Vec<u8>) {
    for (key, value) in &entry.xattrs {
        pax::put_record(records, &[pax::XATTR, key], value);
    }
    // Attributes force an extended header, and then a long name goes there whole.
    let split_suffices = records.is_empty() && split_name(&stored.name).is_some();
    let octal = |field: Field, value: i64| !header::fits_octal(value, field.len);
    let mtime_in_record = octal(header::MTIME, stored.mtime.seconds) || stored.mtime.nanos != 0;
    let numbers_in_record = mtime_in_record
        || octal(header::GID, stored.gid)
        || octal(header::UID, stored.uid)
        || octal(header::SIZE, stored.size)
        || !fits_text(header::LINK, &stored.link);
    if octal(header::GID, stored.gid) {
        pax::put_record(records, &[b"gid"], stored.gid.to_string().as_bytes());
    }
    if !fits_text(header::LINK, &stored.link) {
        pax::put_record(records, &[b"linkpath"], &stored.link);
    }
    if mtime_in_record {
        let time = pax::format_time(stored.mtime);
        pax::put_record(records, &[b"mtime"], time.as_bytes());
    }
    let name_fits = fits_text(header::NAME, &stored.name);
    if !name_fits && (!split_suffices || numbers_in_record) {
        pax::put_record(records, &[b"path"], &stored.name);
    }
    if octal(header::SIZE, stored.size) {
        pax::put_record(records, &[b"size"], stored.size.to_string().as_bytes());
    }
    if octal(header::UID, stored.uid) {
        pax::put_record(records, &[b"uid"], stored.uid.to_string().as_bytes());
    }
}

/// The name's parts for ustar's prefix and name fields: an empty prefix when it fits alone.
/// Nothing when it cannot be split, or is not ASCII and so must stand in an extended header.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if fits_text(header::NAME, name) {
        return Some((&[], name));
    }
    if !name.is_ascii() {
        return None;
    }
    // The slash between the parts is not stored; a directory's own last slash stays in the name.
    let mut limit = name.len().min(header::PREFIX.len + 1);
    if limit == name.len() && name.ends_with(b"/") {
        limit -= 1;
    }
    let slash = name[..limit].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    let fits = !prefix.is_empty() && !rest.is_empty() && rest.len() <= header::NAME.len;
    fits.then_some((prefix, rest))
}

fn fits_text(field: Field, text: &[u8]) -> bool {
    text.len() <= field.len && text.is_ascii()
}

fn ascii_of(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii).collect()
}

/// The extended header and its records. Its own name is what tars without PAX support extract.
fn put_extended_header(name: &[u8], records: &[u8], out: &mut Vec<u8>) -> Result<(), TarErrorKind> {
    if records.len() > super::read::MAX_EXTENDED_HEADER {
        return Err(TarErrorKind::Unwritable("its attributes are above 1 MiB"));
    }
    let slash = name.iter().rposition(|byte| *byte == b'/');
    let (directory, file) = name.split_at(slash.map_or(0, |slash| slash + 1));
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let mut own_name = match directory {
        b"" | b"." => b"PaxHeaders.0".to_vec(),
        directory => join_path(directory, b"PaxHeaders.0"),
    };
    if !file.is_empty() {
        own_name = join_path(&own_name, file);
    }
    let mut own_name = ascii_of(&own_name);
    own_name.truncate(header::NAME.len);
    while own_name.last() == Some(&b'/') {
        own_name.pop();
    }
    let mut block = [0; BLOCK];
    block[header::TYPE] = b'x';
    header::put_text(&mut block, header::NAME, &own_name);
    for (field, value) in [
        (header::MODE, 0),
        (header::UID, 0),
        (header::GID, 0),
        (header::SIZE, records.len() as i64),
        (header::MTIME, 0),
    ] {
        header::put_octal(&mut block, field, value);
    }
    header::seal(&mut block);
    out.extend_from_slice(&block);
    out.extend_from_slice(records);
    out.resize(out.len() + padding(records.len() as u64), 0);
    Ok(())
}
