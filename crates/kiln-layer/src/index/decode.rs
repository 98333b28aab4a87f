//! Reads a layer index back, trusting nothing: the cache that it comes from is a file on a disk.

use std::fmt::Write;

use kiln_oci::{Algorithm, Digest};

use super::encode::{MAGIC, Previous, flag, rare};
use super::{IndexEntry, LayerIndex, SCHEMA};
use crate::entry::{Entry, Kind, MAX_PATH, Time, check_path};
use crate::tar::Extent;

/// The checksum's length at the end of the encoded form.
const CHECKSUM: usize = 32;

/// The fewest bytes that an entry takes: flags, two path numbers, time and offset.
const SMALLEST_ENTRY: usize = 5;

/// Bytes of paths in one index. Prefix compression would otherwise let a small one fill the memory.
const MAX_PATHS: u64 = 1 << 30;

/// Bytes that are not a layer index of this version. Make it anew from the layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIndex {
    /// Something else, or cut off within the first bytes.
    #[error("not a layer index")]
    NotAnIndex,
    /// Written by another version of kiln.
    #[error("the layer index has schema {found}, this version reads {SCHEMA}")]
    Schema {
        /// The schema it was written with.
        found: u16,
    },
    /// Damaged on the disk.
    #[error("the layer index does not match its checksum")]
    Checksum,
    /// The checksum is right and the content still is not: written by something that is not kiln.
    #[error("the layer index is malformed at byte {offset}: {reason}")]
    Malformed {
        /// Byte of the encoded form.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
}

impl LayerIndex {
    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// When the bytes are of another version, damaged or hostile.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidIndex> {
        let body = bytes.strip_prefix(MAGIC).ok_or(InvalidIndex::NotAnIndex)?;
        let (schema, _) = body.split_first_chunk().ok_or(InvalidIndex::NotAnIndex)?;
        let schema = u16::from_le_bytes(*schema);
        if schema != SCHEMA {
            return Err(InvalidIndex::Schema { found: schema });
        }
        let (content, checksum) = bytes
            .len()
            .checked_sub(CHECKSUM)
            .map(|end| bytes.split_at(end))
            .ok_or(InvalidIndex::NotAnIndex)?;
        if Digest::sha256(content).as_bytes() != checksum {
            return Err(InvalidIndex::Checksum);
        }
        let mut input = Input {
            bytes: content,
            position: MAGIC.len() + size_of_val(&schema),
        };
        read_index(&mut input).map_err(|reason| InvalidIndex::Malformed {
            offset: input.position,
            reason,
        })
    }
}

type Reason = &'static str;

fn read_index(input: &mut Input<'_>) -> Result<LayerIndex, Reason> {
    let diff_id = match input.byte()? {
        0 => input.digest(Algorithm::Sha256)?,
        1 => input.digest(Algorithm::Sha512)?,
        _ => return Err("unknown digest algorithm"),
    };
    let size = input.number()?;
    let count = input.count(SMALLEST_ENTRY)?;
    let mut entries = Vec::with_capacity(count);
    let mut previous = Previous::default();
    let mut paths = 0_u64;
    for _ in 0..count {
        entries.push(read_entry(input, &mut previous)?);
        paths += previous.path.len() as u64;
        if paths > MAX_PATHS {
            return Err("too many bytes of paths");
        }
    }
    if input.position != input.bytes.len() {
        return Err("more bytes than entries");
    }
    Ok(LayerIndex {
        diff_id,
        size,
        entries,
    })
}

fn read_entry(input: &mut Input<'_>, previous: &mut Previous) -> Result<IndexEntry, Reason> {
    let flags = input.byte()?;
    let more = if flags & flag::MORE != 0 {
        input.byte()?
    } else {
        0
    };
    read_path(input, &mut previous.path)?;
    if flags & flag::SAME_OWNER == 0 {
        previous.mode = input.number32()?;
        previous.uid = input.number32()?;
        previous.gid = input.number32()?;
    }
    if previous.mode & !0o7777 != 0 {
        return Err("a mode has bits above 7777");
    }
    previous.seconds = previous.seconds.wrapping_add(input.signed()?);
    previous.offset = previous.offset.wrapping_add(input.number()?);
    let mut indexed = IndexEntry {
        entry: Entry {
            path: previous.path.clone(),
            kind: read_kind(input, flags & 0x0f)?,
            mode: previous.mode,
            uid: previous.uid,
            gid: previous.gid,
            mtime: Time::from_seconds(previous.seconds),
            xattrs: Default::default(),
        },
        content: None,
        offset: previous.offset,
        extents: Vec::new(),
        kept: None,
    };
    if indexed.entry.path.is_empty()
        && !matches!(indexed.entry.kind, Kind::Directory | Kind::Opaque)
    {
        return Err("the root is not a directory");
    }
    read_optional(input, flags, more, &mut indexed)?;
    Ok(indexed)
}

fn read_optional(
    input: &mut Input<'_>,
    flags: u8,
    more: u8,
    indexed: &mut IndexEntry,
) -> Result<(), Reason> {
    if flags & flag::CONTENT != 0 {
        let algorithm = match more & rare::SHA512 {
            0 => Algorithm::Sha256,
            _ => Algorithm::Sha512,
        };
        indexed.content = Some(input.digest(algorithm)?);
    }
    if flags & flag::XATTRS != 0 {
        for _ in 0..input.count(2)? {
            let key = input.slice()?.to_vec();
            let value = input.slice()?.to_vec();
            indexed.entry.xattrs.insert(key, value);
        }
    }
    if more & rare::NANOS != 0 {
        indexed.entry.mtime.nanos = input.number32()?;
        if indexed.entry.mtime.nanos >= 1_000_000_000 {
            return Err("a time has a second of nanoseconds");
        }
    }
    if more & rare::EXTENTS != 0 {
        indexed.extents = read_extents(input, indexed.size())?;
    }
    if more & rare::KEPT != 0 {
        indexed.kept = Some(input.slice()?.to_vec());
    }
    Ok(())
}

fn read_path(input: &mut Input<'_>, path: &mut Vec<u8>) -> Result<(), Reason> {
    let shared = usize::try_from(input.number()?).unwrap_or(usize::MAX);
    if shared > path.len() {
        return Err("a path takes over more than there is");
    }
    let rest = input.slice()?;
    if shared + rest.len() > MAX_PATH {
        return Err("a path is too long");
    }
    path.truncate(shared);
    path.extend_from_slice(rest);
    check_path(path).map_err(|_| "a path is not clean")
}

fn read_kind(input: &mut Input<'_>, code: u8) -> Result<Kind, Reason> {
    Ok(match code {
        0 => Kind::File {
            size: input.number()?,
        },
        1 => {
            let target = input.slice()?.to_vec();
            if target.is_empty() || check_path(&target).is_err() {
                return Err("a hard link's target is not clean");
            }
            Kind::Hardlink { target }
        }
        2 => {
            let target = input.slice()?.to_vec();
            if target.len() > MAX_PATH {
                return Err("a symbolic link's target is too long");
            }
            Kind::Symlink { target }
        }
        3 => Kind::Char {
            major: input.number32()?,
            minor: input.number32()?,
        },
        4 => Kind::Block {
            major: input.number32()?,
            minor: input.number32()?,
        },
        5 => Kind::Directory,
        6 => Kind::Fifo,
        7 => Kind::Whiteout,
        8 => Kind::Opaque,
        _ => return Err("unknown kind of entry"),
    })
}

fn read_extents(input: &mut Input<'_>, size: u64) -> Result<Vec<Extent>, Reason> {
    let count = input.count(2)?;
    let mut extents = Vec::with_capacity(count);
    let mut end = 0_u64;
    for _ in 0..count {
        let offset = end.checked_add(input.number()?);
        let len = input.number()?;
        let new_end = offset.and_then(|offset| offset.checked_add(len));
        let (Some(offset), Some(new_end)) = (offset, new_end.filter(|end| *end <= size)) else {
            return Err("a piece of a sparse file lies beyond its end");
        };
        extents.push(Extent { offset, len });
        end = new_end;
    }
    Ok(extents)
}

/// The encoded bytes and how far they are read.
struct Input<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, Reason> {
        let byte = self.bytes.get(self.position).ok_or("cut off")?;
        self.position += 1;
        Ok(*byte)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Reason> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..len).ok_or("cut off")?;
        self.position += len;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Reason> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let mut number = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err("a number has more than 64 bits");
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number has more than 64 bits")
    }

    fn number32(&mut self) -> Result<u32, Reason> {
        u32::try_from(self.number()?).map_err(|_| "a number has more than 32 bits")
    }

    fn signed(&mut self) -> Result<i64, Reason> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// A count of things of at least `smallest` bytes each: what follows must have room for them.
    fn count(&mut self, smallest: usize) -> Result<usize, Reason> {
        let count = self.number()?;
        let room = (self.bytes.len() - self.position) / smallest;
        match usize::try_from(count) {
            Ok(count) if count <= room => Ok(count),
            _ => Err("more entries than bytes"),
        }
    }

    fn slice(&mut self) -> Result<&'a [u8], Reason> {
        let len = self.number()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, Reason> {
        let bytes = self.take(algorithm.size())?;
        if let Ok(bytes) = bytes.try_into() {
            return Ok(Digest::from_sha256(bytes));
        }
        // Rare enough to go through its text.
        let mut text = format!("{}:", algorithm.name());
        for byte in bytes {
            write!(text, "{byte:02x}").expect("because a string takes all");
        }
        text.parse().map_err(|_| "a digest is not one")
    }
}
