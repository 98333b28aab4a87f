//! Writes a layer index into its compact form.

use kiln_oci::{Algorithm, Digest};

use super::{IndexEntry, LayerIndex, SCHEMA};
use crate::entry::Kind;

/// Begins every encoded index.
pub(super) const MAGIC: &[u8; 8] = b"kilnidx\0";

/// Bits of an entry's first byte above the four of its kind.
pub(super) mod flag {
    /// Mode and ids are those of the entry before.
    pub(in super::super) const SAME_OWNER: u8 = 0x10;
    /// A content digest follows.
    pub(in super::super) const CONTENT: u8 = 0x20;
    /// Extended attributes follow.
    pub(in super::super) const XATTRS: u8 = 0x40;
    /// A byte of rarer flags follows.
    pub(in super::super) const MORE: u8 = 0x80;
}

/// Bits of the byte that [`flag::MORE`] announces.
pub(super) mod rare {
    /// The time has nanoseconds.
    pub(in super::super) const NANOS: u8 = 0x01;
    /// The file has holes.
    pub(in super::super) const EXTENTS: u8 = 0x02;
    /// The content itself follows.
    pub(in super::super) const KEPT: u8 = 0x04;
    /// The content digest is SHA-512, not SHA-256.
    pub(in super::super) const SHA512: u8 = 0x08;
}

/// What the next entry is told as a difference from.
#[derive(Default)]
pub(super) struct Previous {
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) seconds: i64,
    pub(super) offset: u64,
}

impl LayerIndex {
    /// The compact form: same index, same bytes. [`decode`](Self::decode) reads it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.entries.len() * 64);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&SCHEMA.to_le_bytes());
        put_digest(&mut out, &self.diff_id);
        put_number(&mut out, self.size);
        put_number(&mut out, self.entries.len() as u64);
        let mut previous = Previous::default();
        for entry in &self.entries {
            put_entry(&mut out, entry, &mut previous);
        }
        let checksum = Digest::sha256(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }
}

fn put_entry(out: &mut Vec<u8>, indexed: &IndexEntry, previous: &mut Previous) {
    let entry = &indexed.entry;
    let same_owner =
        (previous.mode, previous.uid, previous.gid) == (entry.mode, entry.uid, entry.gid);
    let sha512 = indexed
        .content
        .is_some_and(|content| content.algorithm() == Algorithm::Sha512);
    let more = [
        (entry.mtime.nanos != 0, rare::NANOS),
        (!indexed.extents.is_empty(), rare::EXTENTS),
        (indexed.kept.is_some(), rare::KEPT),
        (sha512, rare::SHA512),
    ];
    let more = bits(&more);
    let flags = [
        (same_owner, flag::SAME_OWNER),
        (indexed.content.is_some(), flag::CONTENT),
        (!entry.xattrs.is_empty(), flag::XATTRS),
        (more != 0, flag::MORE),
    ];
    out.push(kind_code(&entry.kind) | bits(&flags));
    if more != 0 {
        out.push(more);
    }
    put_path(out, &entry.path, &previous.path);
    if !same_owner {
        for number in [entry.mode, entry.uid, entry.gid] {
            put_number(out, number.into());
        }
    }
    put_signed(out, entry.mtime.seconds.wrapping_sub(previous.seconds));
    put_number(out, indexed.offset.wrapping_sub(previous.offset));
    put_kind(out, &entry.kind);
    put_optional(out, indexed);
    previous.path.clone_from(&entry.path);
    (previous.mode, previous.uid, previous.gid) = (entry.mode, entry.uid, entry.gid);
    previous.seconds = entry.mtime.seconds;
    previous.offset = indexed.offset;
}

/// What the flags announced, in the order of their bits.
fn put_optional(out: &mut Vec<u8>, indexed: &IndexEntry) {
    let entry = &indexed.entry;
    if let Some(content) = &indexed.content {
        out.extend_from_slice(content.as_bytes());
    }
    if !entry.xattrs.is_empty() {
        put_number(out, entry.xattrs.len() as u64);
        for (key, value) in &entry.xattrs {
            put_bytes(out, key);
            put_bytes(out, value);
        }
    }
    if entry.mtime.nanos != 0 {
        put_number(out, entry.mtime.nanos.into());
    }
    if !indexed.extents.is_empty() {
        put_number(out, indexed.extents.len() as u64);
        let mut end = 0_u64;
        for extent in &indexed.extents {
            put_number(out, extent.offset.wrapping_sub(end));
            put_number(out, extent.len);
            end = extent.offset.wrapping_add(extent.len);
        }
    }
    if let Some(kept) = &indexed.kept {
        put_bytes(out, kept);
    }
}

fn bits(given: &[(bool, u8)]) -> u8 {
    given
        .iter()
        .filter(|(set, _)| *set)
        .fold(0, |bits, (_, bit)| bits | bit)
}

fn kind_code(kind: &Kind) -> u8 {
    match kind {
        Kind::File { .. } => 0,
        Kind::Hardlink { .. } => 1,
        Kind::Symlink { .. } => 2,
        Kind::Char { .. } => 3,
        Kind::Block { .. } => 4,
        Kind::Directory => 5,
        Kind::Fifo => 6,
        Kind::Whiteout => 7,
        Kind::Opaque => 8,
    }
}

fn put_kind(out: &mut Vec<u8>, kind: &Kind) {
    match kind {
        Kind::File { size } => put_number(out, *size),
        Kind::Hardlink { target } | Kind::Symlink { target } => put_bytes(out, target),
        Kind::Char { major, minor } | Kind::Block { major, minor } => {
            put_number(out, (*major).into());
            put_number(out, (*minor).into());
        }
        Kind::Directory | Kind::Fifo | Kind::Whiteout | Kind::Opaque => {}
    }
}

/// How much of the path before is taken over, then the rest.
fn put_path(out: &mut Vec<u8>, path: &[u8], previous: &[u8]) {
    let pairs = path.iter().zip(previous);
    let shared = pairs.take_while(|(left, right)| left == right).count();
    put_number(out, shared as u64);
    put_bytes(out, &path[shared..]);
}

fn put_digest(out: &mut Vec<u8>, digest: &Digest) {
    out.push(match digest.algorithm() {
        Algorithm::Sha256 => 0,
        Algorithm::Sha512 => 1,
    });
    out.extend_from_slice(digest.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Seven bits a byte, low ones first, the top bit set on all but the last (LEB128).
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Small numbers of either sign become small numbers (zigzag).
fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}
