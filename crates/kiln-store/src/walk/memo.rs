//! What files contained when they were last read.
//!
//! A memo is a list of stamps with digests. A file that has the same device, inode, size and times
//! as then is not read again: whatever changes a file sets its `ctime` to now. "Now" has a grain,
//! though, and a file can change twice within one. So a digest is remembered only if the file's times
//! were older than the grain when it began to be read.
//!
//! Encoded, a memo is a checksum, then one record of fixed size for every file; it may be thrown away
//! at any time.

use std::collections::HashMap;
use std::io::Read as _;
use std::time::{Duration, SystemTime};

use kiln_oci::Digest;
use kiln_oci::Hasher;
use rayon::prelude::*;
use rustix::fs::{AtFlags, StatxFlags, statx};

use super::list::stamp;
use super::{Stamp, Walk, WalkError};

/// Bytes before the records: a magic with the version, and a checksum of the rest.
const HEADER: usize = 8 + 32;
const MAGIC: &[u8; 8] = b"kilnmem1";
/// Device, inode, size, both times, age, digest.
const RECORD: usize = 8 + 8 + 8 + 16 + 16 + 1 + 32;

/// How much the clock of file times may be behind: file systems that count nanoseconds take the
/// kernel's tick, at most 10 ms.
const TICK: Duration = Duration::from_millis(50);
/// … and those that count seconds, or two as FAT does.
const COARSE: Duration = Duration::from_secs(3);

/// A record that so many walks in a row did not see is forgotten.
const MAX_AGE: u8 = 16;

/// Digests of files by their stamps.
#[derive(Debug, Default)]
pub struct Memo {
    /// By device and inode.
    records: HashMap<(u64, u64), Record>,
    is_changed: bool,
    /// Whether its records aged already: once in a process, however often it is stored.
    is_aged: bool,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    stamp: Stamp,
    digest: Digest,
    age: u8,
}

/// A stored memo that cannot be used: cut, damaged or of another version. An empty one does instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memo of file digests is damaged or of another version")]
pub struct Unknown;

impl Memo {
    /// How many files it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it knows no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether it should be stored again.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The content's digest of a file in this state, if it is known.
    #[must_use]
    pub fn digest(&self, stamp: &Stamp) -> Option<Digest> {
        let record = self.records.get(&(stamp.device, stamp.inode))?;
        (record.stamp == *stamp).then_some(record.digest)
    }

    fn insert(&mut self, stamp: Stamp, digest: Digest, age: u8) {
        let record = Record { stamp, digest, age };
        self.records.insert((stamp.device, stamp.inode), record);
    }

    /// The content's digests of the regular files at `paths` below the root of `walk`, in the same
    /// order. Reads those that it does not know, on all cores.
    ///
    /// # Errors
    /// Names a file that was not found, cannot be read, or is not as the walk found it.
    pub fn digests(&mut self, walk: &Walk, paths: &[Vec<u8>]) -> Result<Vec<Digest>, WalkError> {
        let mut digests = Vec::with_capacity(paths.len());
        let mut unknown = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            let stamp = walk.stamp(path);
            let stamp = stamp.ok_or_else(|| WalkError::not_a_file(walk.root(), path))?;
            match self.digest(stamp) {
                Some(digest) => digests.push(digest),
                None => {
                    unknown.push((number, path, stamp));
                    // Replaced below.
                    digests.push(Digest::from_sha256([0; 32]));
                }
            }
        }
        let read: Vec<(Digest, bool)> = unknown
            .par_iter()
            .with_max_len(16)
            .map_init(
                || vec![0; 128 << 10],
                |buffer, (_, path, stamp)| read(walk, path, stamp, buffer),
            )
            .collect::<Result<_, _>>()?;
        for ((number, _, stamp), (digest, is_settled)) in unknown.into_iter().zip(read) {
            digests[number] = digest;
            if is_settled {
                self.insert(*stamp, digest, 0);
                self.is_changed = true;
            }
        }
        Ok(digests)
    }

    /// The bytes to store. Files that `walk` does not have age, and are forgotten after a while:
    /// walks with another filter keep theirs.
    #[must_use]
    pub fn encode(&mut self, walk: &Walk) -> Vec<u8> {
        if !std::mem::replace(&mut self.is_aged, true) {
            for record in self.records.values_mut() {
                record.age = record.age.saturating_add(1);
            }
        }
        for stamp in walk.stamps() {
            let record = self.records.get_mut(&(stamp.device, stamp.inode));
            if let Some(record) = record.filter(|record| record.stamp == *stamp) {
                record.age = 0;
            }
        }
        self.records.retain(|_, record| record.age < MAX_AGE);
        self.is_changed = false;
        let mut bytes = Vec::with_capacity(HEADER + self.records.len() * RECORD);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 32]);
        for record in self.records.values() {
            let stamp = &record.stamp;
            for number in [stamp.device, stamp.inode, stamp.size] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(&stamp.mtime.to_le_bytes());
            bytes.extend_from_slice(&stamp.ctime.to_le_bytes());
            bytes.push(record.age);
            bytes.extend_from_slice(record.digest.as_bytes());
        }
        let checksum = Digest::sha256(&bytes[HEADER..]);
        bytes[8..HEADER].copy_from_slice(checksum.as_bytes());
        bytes
    }

    /// Reads what [`encode`](Self::encode) gave.
    ///
    /// # Errors
    /// When it is damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unknown> {
        let (header, records) = bytes.split_at_checked(HEADER).ok_or(Unknown)?;
        let checksum = Digest::sha256(records);
        if header[..8] != *MAGIC || header[8..] != *checksum.as_bytes() {
            return Err(Unknown);
        }
        let (records, rest) = records.as_chunks::<RECORD>();
        if !rest.is_empty() {
            return Err(Unknown);
        }
        let mut memo = Self::default();
        memo.records.reserve(records.len());
        for record in records {
            let (stamp, digest, age) = fields(record);
            memo.insert(stamp, digest, age);
        }
        Ok(memo)
    }
}

/// One encoded record.
fn fields(bytes: &[u8; RECORD]) -> (Stamp, Digest, u8) {
    fn field<const LEN: usize>(bytes: &[u8; RECORD], at: usize) -> [u8; LEN] {
        let field = bytes[at..at + LEN].try_into();
        field.expect("because the slice is as long as the array")
    }
    let stamp = Stamp {
        device: u64::from_le_bytes(field(bytes, 0)),
        inode: u64::from_le_bytes(field(bytes, 8)),
        size: u64::from_le_bytes(field(bytes, 16)),
        mtime: i128::from_le_bytes(field(bytes, 24)),
        ctime: i128::from_le_bytes(field(bytes, 40)),
    };
    (stamp, Digest::from_sha256(field(bytes, 57)), bytes[56])
}

/// Hashes a file. Says whether its stamp can stand for this content from now on.
fn read(
    walk: &Walk,
    path: &[u8],
    found: &Stamp,
    buffer: &mut [u8],
) -> Result<(Digest, bool), WalkError> {
    let began = SystemTime::now();
    let file = walk.open(path);
    let mut file = file.map_err(WalkError::io("open", walk.root(), path))?;
    let mut hasher = Hasher::sha256();
    let mut len = 0;
    loop {
        match file
            .read(buffer)
            .map_err(WalkError::io("read", walk.root(), path))?
        {
            0 => break,
            read => {
                hasher.update(&buffer[..read]);
                len += read as u64;
            }
        }
    }
    let stat = statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
    let stat = stat.map_err(WalkError::io("look at", walk.root(), path))?;
    if stamp(&stat) != *found || len != found.size {
        return Err(WalkError::changed(walk.root(), path));
    }
    Ok((hasher.finish(), is_settled(found, began)))
}

/// Whether any later change is sure to give the file another stamp.
pub(super) fn is_settled(stamp: &Stamp, began: SystemTime) -> bool {
    const SECOND: i128 = 1_000_000_000;
    let is_coarse = stamp.mtime % SECOND == 0 && stamp.ctime % SECOND == 0;
    let grain = if is_coarse { COARSE } else { TICK };
    let Ok(began) = began.duration_since(SystemTime::UNIX_EPOCH) else {
        return false;
    };
    let limit = i128::try_from(began.saturating_sub(grain).as_nanos()).unwrap_or(0);
    stamp.ctime < limit && stamp.mtime < limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mtime: i128, ctime: i128) -> Stamp {
        Stamp {
            device: 1,
            inode: 2,
            size: 3,
            mtime,
            ctime,
        }
    }

    #[test]
    fn a_young_file_is_not_settled() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let nanos = |millis: i128| millis * 1_000_000 + 1;
        assert!(is_settled(&at(nanos(5000), nanos(900_000)), began));
        assert!(!is_settled(&at(nanos(5000), nanos(999_990)), began));
        assert!(!is_settled(&at(nanos(1_000_001), nanos(900_000)), began));
        // Whole seconds: a file system that knows no more.
        assert!(!is_settled(&at(998_000_000_000, 998_000_000_000), began));
        assert!(is_settled(&at(990_000_000_000, 990_000_000_000), began));
    }

    #[test]
    fn a_damaged_memo_is_refused() {
        let directory = std::fs::canonicalize(env!("CARGO_MANIFEST_DIR")).unwrap();
        let walk = super::super::walk(&directory, &|_, _| super::super::Decision::Skip).unwrap();
        let mut memo = Memo::default();
        memo.insert(at(-1, 7), Digest::sha256(b"x"), 0);
        let bytes = memo.encode(&walk);
        let again = Memo::decode(&bytes).unwrap();
        assert_eq!(again.digest(&at(-1, 7)), Some(Digest::sha256(b"x")));
        for cut in [0, 7, HEADER - 1, bytes.len() - 1] {
            assert_eq!(Memo::decode(&bytes[..cut]).err(), Some(Unknown));
        }
        let mut damaged = bytes;
        damaged[HEADER + 5] ^= 1;
        assert_eq!(Memo::decode(&damaged).err(), Some(Unknown));
        assert_eq!(memo.len(), 1);
    }

    #[test]
    fn what_is_never_seen_again_is_forgotten() {
        let directory = std::fs::canonicalize(env!("CARGO_MANIFEST_DIR")).unwrap();
        let walk = super::super::walk(&directory, &|_, _| super::super::Decision::Skip).unwrap();
        let mut memo = Memo::default();
        memo.insert(at(1, 1), Digest::sha256(b""), 0);
        for _ in 1..MAX_AGE {
            let stored = memo.encode(&walk);
            assert_eq!(memo.encode(&walk), stored, "it ages once in a process");
            memo = Memo::decode(&stored).unwrap();
            assert_eq!(memo.len(), 1);
        }
        assert_eq!(memo.encode(&walk).len(), HEADER);
        assert!(memo.is_empty());
    }
}
