//! Room: what the store takes on disk, and how it is kept below a cap.
//!
//! Images with a name stay. All else was made to be made again: uncompressed and compressed layers that only
//! the build cache uses, snapshots, cache mounts. They go in the order in which they were last used, the
//! oldest first, until the whole store is within the cap; nothing that a living lease counts on goes. Sizes
//! are blocks on disk, not lengths of files.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use kiln_oci::{Digest, Document};

use crate::error::StoreError;
use crate::lease::{self, remove_tree};
use crate::lock::FileLock;
use crate::store::{Store, now};

/// Bytes on disk by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Content of images with a name.
    pub images: u64,
    /// Other layers: results of build steps, and other forms of images' layers.
    pub build_cache: u64,
    /// Unpacked layers.
    pub snapshots: u64,
    /// Directories of `RUN --mount=type=cache`.
    pub cache_mounts: u64,
    /// Databases.
    pub databases: u64,
}

impl Usage {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.images + self.reclaimable() + self.databases
    }

    /// What a prune without a cap would free.
    #[must_use]
    pub fn reclaimable(&self) -> u64 {
        self.build_cache + self.snapshots + self.cache_mounts
    }
}

/// How much to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneOptions {
    /// Stop when the store is this small, in bytes on disk. Nothing means: remove all that can be made again.
    pub keep: Option<u64>,
    /// Only what was not used for this many seconds.
    pub unused_for: Option<i64>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// One line each, with the bytes that it frees.
    pub removed: Vec<(String, u64)>,
    /// Bytes on disk that the store takes after it.
    pub remaining: u64,
}

impl Pruned {
    /// Bytes freed.
    #[must_use]
    pub fn freed(&self) -> u64 {
        self.removed.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Something that could go.
struct Candidate {
    path: PathBuf,
    what: String,
    bytes: u64,
    used: i64,
}

impl Store {
    /// What the store takes on disk.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let needed = self.needed()?;
        let mut usage = Usage::default();
        for (digest, path) in self.blobs()? {
            let bytes = size(&path);
            if needed.contains(&digest) {
                usage.images += bytes;
            } else {
                usage.build_cache += bytes;
            }
        }
        usage.snapshots = size(&self.root().join("snapshots"));
        usage.cache_mounts = size(&self.root().join("cache-mounts"));
        let databases = ["refs.db", "refs.db-wal", "cache.db", "cache.db-wal"];
        usage.databases = databases
            .iter()
            .map(|name| size(&self.root().join(name)))
            .sum();
        Ok(usage)
    }

    /// Removes what can be made again until the store is within the cap.
    ///
    /// # Errors
    /// If the store cannot be read. What cannot be removed is left and counted as remaining.
    pub fn prune(&self, options: &PruneOptions) -> Result<Pruned, StoreError> {
        let _exclusive = FileLock::exclusive(&self.root().join("store.lock"))?;
        let mut pruned = Pruned {
            removed: vec![],
            remaining: self.usage()?.total(),
        };
        let mut candidates = self.candidates()?;
        candidates.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let oldest_kept = options
            .unused_for
            .map_or(i64::MAX, |seconds| now() - seconds);
        for candidate in candidates {
            if options.keep.is_some_and(|keep| pruned.remaining <= keep) {
                break;
            }
            if candidate.used > oldest_kept {
                continue;
            }
            if !options.dry_run && !self.remove(&candidate.path) {
                continue;
            }
            pruned.remaining = pruned.remaining.saturating_sub(candidate.bytes);
            pruned.removed.push((candidate.what, candidate.bytes));
        }
        if !options.dry_run {
            self.forget_removed()?;
        }
        Ok(pruned)
    }

    fn remove(&self, path: &Path) -> bool {
        if path.is_dir() {
            // Renamed first: a half-removed snapshot must not look whole.
            let trash = self
                .root()
                .join("work")
                .join(format!("trash-{}", std::process::id()));
            let renamed = fs::rename(path, &trash).is_ok();
            remove_tree(&trash);
            return renamed;
        }
        fs::remove_file(path).is_ok()
    }

    fn candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let (needed, held) = (self.needed()?, lease::all_held(self.root())?);
        let mut candidates = vec![];
        for (digest, path) in self.blobs()? {
            if !needed.contains(&digest) && !held.contains(&digest) {
                let (bytes, used) = (size(&path), last_use(&path));
                candidates.push(Candidate {
                    path,
                    what: format!("layer {digest}"),
                    bytes,
                    used,
                });
            }
        }
        let held_snapshots: HashSet<String> = held.iter().map(Digest::hex).collect();
        for path in list(&self.root().join("snapshots"))? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !held_snapshots.contains(&name) && name != "empty" {
                let what = format!("snapshot {}", &name[..name.len().min(12)]);
                let used = last_use(&path.join("boot"));
                candidates.push(Candidate {
                    bytes: size(&path),
                    used,
                    path,
                    what,
                });
            }
        }
        for path in list(&self.root().join("cache-mounts"))? {
            let lock = path.with_extension("lock");
            let free = path.extension().is_none() && FileLock::try_exclusive(&lock)?.is_some();
            if free {
                let id = fs::read_to_string(path.join("id")).unwrap_or_default();
                let used = last_use(&lock);
                candidates.push(Candidate {
                    bytes: size(&path),
                    used,
                    path,
                    what: format!("cache {id}"),
                });
            }
        }
        Ok(candidates)
    }

    /// Everything that images with a name consist of. An index that names images which are not here needs
    /// nothing of them.
    fn needed(&self) -> Result<HashSet<Digest>, StoreError> {
        let mut needed = HashSet::new();
        let mut pending: Vec<Digest> = self
            .references()?
            .into_iter()
            .map(|known| known.descriptor.digest)
            .collect();
        while let Some(digest) = pending.pop() {
            if !needed.insert(digest) || !self.has_blob(&digest)? {
                continue;
            }
            match self.document(&digest)? {
                Document::Index(index) => {
                    pending.extend(index.manifests.iter().map(|manifest| manifest.digest));
                }
                Document::Manifest(manifest) => {
                    needed.insert(manifest.config.digest);
                    needed.extend(manifest.layers.iter().map(|layer| layer.digest));
                }
            }
        }
        Ok(needed)
    }

    pub(crate) fn blobs(&self) -> Result<Vec<(Digest, PathBuf)>, StoreError> {
        let mut blobs = vec![];
        for algorithm in ["sha256", "sha512"] {
            for path in list(&self.root().join("blobs").join(algorithm))? {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                if let Ok(digest) = format!("{algorithm}:{name}").parse() {
                    blobs.push((digest, path));
                }
            }
        }
        Ok(blobs)
    }

    /// Drops the indexes of layers that are gone in every form.
    fn forget_removed(&self) -> Result<(), StoreError> {
        let there: HashSet<String> = self
            .blobs()?
            .into_iter()
            .map(|(digest, _)| digest.to_string())
            .collect();
        self.cache.write(|db| {
            let mut known = db.prepare("SELECT diff_id, digest FROM blobs_of")?;
            let rows = known.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let pairs: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
            let mut kept: HashSet<String> = there.clone();
            for (diff_id, digest) in pairs {
                if there.contains(&digest) {
                    kept.insert(diff_id);
                } else {
                    db.execute("DELETE FROM blobs_of WHERE digest = ?1", [digest])?;
                }
            }
            let mut indexes = db.prepare("SELECT diff_id FROM indexes")?;
            let rows = indexes.query_map([], |row| row.get::<_, String>(0))?;
            let all: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
            for diff_id in all.iter().filter(|diff_id| !kept.contains(*diff_id)) {
                db.execute("DELETE FROM indexes WHERE diff_id = ?1", [diff_id])?;
            }
            Ok(())
        })
    }

    /// Reads every blob and compares it with its name. Gives those that are damaged.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn verify(&self, mut progress: impl FnMut(&Digest)) -> Result<Vec<Digest>, StoreError> {
        let mut damaged = vec![];
        for (digest, path) in self.blobs()? {
            progress(&digest);
            let file = fs::File::open(&path).map_err(StoreError::io("open", &path))?;
            let mut reader = kiln_oci::DigestReader::new(file, digest.algorithm());
            std::io::copy(&mut reader, &mut std::io::sink())
                .map_err(StoreError::io("read", &path))?;
            if reader.finish().0 != digest {
                damaged.push(digest);
            }
        }
        Ok(damaged)
    }

    /// Takes a damaged blob out of the store, so that it is made or loaded again. False if it was gone already.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn discard(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("remove", &path)(error)),
        }
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(directory).map_err(StoreError::io("read", directory))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<Result<_, _>>()
        .map_err(StoreError::io("read", directory))
}

/// Blocks on disk of a file or of all below a directory. A file with several names below it counts once.
fn size(path: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut pending = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(path) = pending.pop() {
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        if data.nlink() == 1 || data.is_dir() || seen.insert((data.dev(), data.ino())) {
            bytes += data.blocks() * 512;
        }
        if data.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        }
    }
    bytes
}

/// When something was last used: its time of access is set whenever it is.
fn last_use(path: &Path) -> i64 {
    fs::symlink_metadata(path).map_or(0, |data| data.atime().max(data.mtime()))
}
