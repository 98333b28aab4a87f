//! Numbers and strings at offsets, in either width and byte order, none of them out of bounds.

use std::cell::Cell;

use super::InvalidElf;

/// The most program headers that are looked at; a kernel takes fewer than 1,000.
const MAX_SEGMENTS: u16 = 4096;

/// The longest string.
const MAX_STRING: usize = 64 << 10;

/// Bytes of all strings that are read from one file. Tables that name the same long string again and again
/// must not cost more than honest ones.
const MAX_TEXT: u64 = 64 << 20;

/// The bytes of a file.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) is_64: bool,
    pub(super) is_big_endian: bool,
    /// Bytes of strings so far.
    text: Cell<u64>,
}

/// A program header, what of it matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) kind: u32,
    /// Where in the file it begins.
    pub(super) offset: u64,
    /// Where in memory it goes.
    pub(super) address: u64,
    /// Bytes in the file.
    pub(super) size: u64,
}

impl Segment {
    pub(super) const LOAD: u32 = 1;
    pub(super) const DYNAMIC: u32 = 2;
    pub(super) const INTERP: u32 = 3;
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, InvalidElf> {
        if !super::is_elf(bytes) {
            return Err(InvalidElf::NotElf);
        }
        let is_64 = match bytes.get(4) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(InvalidElf::Damaged("its class is unknown")),
        };
        let is_big_endian = match bytes.get(5) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(InvalidElf::Damaged("its byte order is unknown")),
        };
        Ok(Self {
            bytes,
            is_64,
            is_big_endian,
            text: Cell::new(0),
        })
    }

    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn at<const N: usize>(&self, offset: u64) -> Result<[u8; N], InvalidElf> {
        let found = usize::try_from(offset)
            .ok()
            .and_then(|begin| self.bytes.get(begin..begin.checked_add(N)?));
        found
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(InvalidElf::Damaged("an offset leads out of the file"))
    }

    pub(super) fn u16(&self, offset: u64) -> Result<u16, InvalidElf> {
        let bytes = self.at(offset)?;
        Ok(match self.is_big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    }

    pub(super) fn u32(&self, offset: u64) -> Result<u32, InvalidElf> {
        let bytes = self.at(offset)?;
        Ok(match self.is_big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    /// A number as wide as the file's addresses.
    pub(super) fn word(&self, offset: u64) -> Result<u64, InvalidElf> {
        if !self.is_64 {
            return self.u32(offset).map(u64::from);
        }
        let bytes = self.at(offset)?;
        Ok(match self.is_big_endian {
            true => u64::from_be_bytes(bytes),
            false => u64::from_le_bytes(bytes),
        })
    }

    /// Bytes of such a number.
    pub(super) fn word_size(&self) -> u64 {
        if self.is_64 { 8 } else { 4 }
    }

    /// The text from `offset` to the next NUL. Bytes that are not UTF-8 are replaced.
    pub(super) fn string(&self, offset: u64) -> Result<String, InvalidElf> {
        let begin = usize::try_from(offset).ok();
        let rest = begin.and_then(|begin| self.bytes.get(begin..));
        let rest = rest.ok_or(InvalidElf::Damaged("a name lies outside of the file"))?;
        let end = rest.iter().take(MAX_STRING).position(|byte| *byte == 0);
        let end = end.ok_or(InvalidElf::Damaged("a name does not end"))?;
        self.text.set(self.text.get() + end as u64 + 1);
        if self.text.get() > MAX_TEXT {
            return Err(InvalidElf::Damaged("its names are too long"));
        }
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    pub(super) fn segments(&self) -> Result<Vec<Segment>, InvalidElf> {
        let (table, entry_size, count) = match self.is_64 {
            true => (self.word(32)?, self.u16(54)?, self.u16(56)?),
            false => (self.word(28)?, self.u16(42)?, self.u16(44)?),
        };
        if count > MAX_SEGMENTS {
            return Err(InvalidElf::Damaged("it has too many program headers"));
        }
        let one = |number: u16| {
            let begin = u64::from(number)
                .checked_mul(entry_size.into())
                .and_then(|offset| table.checked_add(offset))
                .ok_or(InvalidElf::Damaged("an offset leads out of the file"))?;
            let (offset, address, size) = match self.is_64 {
                true => (8, 16, 32),
                false => (4, 8, 16),
            };
            Ok(Segment {
                kind: self.u32(begin)?,
                offset: self.word(begin.saturating_add(offset))?,
                address: self.word(begin.saturating_add(address))?,
                size: self.word(begin.saturating_add(size))?,
            })
        };
        (0..count).map(one).collect()
    }
}
