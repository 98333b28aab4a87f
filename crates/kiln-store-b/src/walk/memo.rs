//! The memo of a context: digests of files that have not changed since they were last read.
//!
//! A file is taken for unchanged if its device, inode, size, time of change and time of status change are
//! those of the memo. The status time cannot be set by programs, so a rewritten file is noticed even where its
//! other times were put back. A file that changed within the clock's grain before the walk is not
//! remembered: it could change again without its times showing it.
//!
//! One record a context: a list of (path, stat, digest), little-endian, paths with a length of four bytes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use kiln_oci::{Digest, Hasher};
use rayon::prelude::*;

use super::{Stat, Walk, stat};
use crate::error::StoreError;
use crate::store::Store;

/// The cache space of memos.
const SPACE: &str = "context-memo-1";

/// Linux updates file times with the timer tick, at most 10 ms apart; ten times that leaves room.
const GRAIN: i128 = 100_000_000;

/// A file of a context that cannot be digested.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`")]
pub struct HashError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

type Memo = HashMap<Vec<u8>, (Stat, Digest)>;

impl Store {
    /// The digests of the regular files at `paths` of a walked context, in that order: from the memo where
    /// they did not change, read otherwise.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn context_digests(
        &self,
        walk: &Walk,
        paths: &[Vec<u8>],
    ) -> Result<Vec<Digest>, HashError> {
        let key = Digest::sha256(walk.root.as_os_str().as_bytes());
        // A memo that cannot be read is as good as none.
        let record = self
            .cache_get(SPACE, &key)
            .ok()
            .flatten()
            .unwrap_or_default();
        let mut memo = decode(&record).unwrap_or_default();
        let known: Vec<Option<Digest>> = paths
            .iter()
            .map(|path| {
                let (stat, digest) = memo.get(path)?;
                (walk.stats.get(path) == Some(stat)).then_some(*digest)
            })
            .collect();
        let missing: Vec<&Vec<u8>> = paths
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(p, _)| p)
            .collect();
        if missing.is_empty() {
            return Ok(known.into_iter().flatten().collect());
        }
        let read: Result<Vec<(Digest, Stat)>, HashError> = missing
            .par_iter()
            .map(|path| hash(&walk.root, path))
            .collect();
        let read = read?;
        memo.retain(|path, _| walk.stats.contains_key(path));
        for (path, (digest, stat)) in missing.iter().zip(&read) {
            let changed = i128::from(stat.ctime.0) * 1_000_000_000 + i128::from(stat.ctime.1);
            if changed + GRAIN < walk.began && walk.stats.get(*path) == Some(stat) {
                memo.insert((*path).clone(), (*stat, *digest));
            }
        }
        // A memo that cannot be kept costs time, not correctness.
        let _: Result<(), StoreError> = self.cache_put(SPACE, &key, &encode(&memo));
        let mut read = read.into_iter().map(|(digest, _)| digest);
        Ok(known
            .into_iter()
            .map(|known| {
                known
                    .or_else(|| read.next())
                    .expect("because what is not known was read")
            })
            .collect())
    }
}

/// Reads one file. The stat is that of the open file, so it belongs to what was read.
fn hash(root: &Path, path: &[u8]) -> Result<(Digest, Stat), HashError> {
    let at = root.join(std::ffi::OsStr::from_bytes(path));
    let read = || {
        let mut file = File::open(&at)?;
        let data = file.metadata()?;
        let mut hasher = Hasher::sha256();
        let size = usize::try_from(data.len()).unwrap_or(usize::MAX);
        let mut buffer = vec![0; size.clamp(1, 256 << 10)];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((hasher.finish(), stat(&data))),
                read => hasher.update(&buffer[..read]),
            }
        }
    };
    read().map_err(|source| HashError {
        path: at.clone(),
        source,
    })
}

fn encode(memo: &Memo) -> Vec<u8> {
    let mut out = Vec::with_capacity(memo.len() * 160);
    for (path, (stat, digest)) in memo {
        out.extend(u32::try_from(path.len()).unwrap_or(0).to_le_bytes());
        out.extend(path);
        for number in [stat.device, stat.inode, stat.size] {
            out.extend(number.to_le_bytes());
        }
        for number in [stat.mtime.0, stat.mtime.1, stat.ctime.0, stat.ctime.1] {
            out.extend(number.to_le_bytes());
        }
        out.extend(digest.as_bytes());
    }
    out
}

fn decode(mut bytes: &[u8]) -> Option<Memo> {
    let mut memo = Memo::with_capacity(bytes.len() / 128);
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (path, rest) = rest.split_at_checked(length)?;
        let (numbers, rest) = rest.split_first_chunk::<56>()?;
        let (digest, rest) = rest.split_first_chunk::<32>()?;
        let mut fields = [0_u64; 7];
        for (field, raw) in fields.iter_mut().zip(numbers.chunks_exact(8)) {
            *field = u64::from_le_bytes(raw.try_into().ok()?);
        }
        let signed = |at: usize| fields[at].cast_signed();
        let stat = Stat {
            device: fields[0],
            inode: fields[1],
            size: fields[2],
            mtime: (signed(3), signed(4)),
            ctime: (signed(5), signed(6)),
        };
        memo.insert(path.to_vec(), (stat, Digest::from_sha256(*digest)));
        bytes = rest;
    }
    Some(memo)
}

impl Walk {
    /// Opens a file of the context. Links are not followed: the walk saw a regular file here.
    ///
    /// # Errors
    /// If it is no longer there, or no longer a regular file.
    pub fn open(&self, path: &[u8]) -> io::Result<File> {
        let at = self.root.join(std::ffi::OsStr::from_bytes(path));
        if !fs::symlink_metadata(&at)?.is_file() {
            return Err(io::Error::other("it is no longer a regular file"));
        }
        File::open(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_survives_its_record() {
        let stat = Stat {
            device: 1,
            inode: 2,
            size: 3,
            mtime: (-4, 5),
            ctime: (6, 7),
        };
        let mut memo = Memo::new();
        memo.insert(b"a\xff/b".to_vec(), (stat, Digest::sha256(b"x")));
        memo.insert(b"c".to_vec(), (Stat::default(), Digest::sha256(b"y")));
        assert_eq!(decode(&encode(&memo)), Some(memo.clone()));
        let record = encode(&memo);
        assert_eq!(decode(&record[..record.len() - 1]), None);
    }
}
