//! Room: what the store takes on disk, and how it is kept below a cap.
//!
//! Images with a name stay. All else was made to be made again: layers that only the build cache
//! uses, other forms of images' layers, snapshots, cache mounts. They go in the order in which they
//! were last used, the oldest first, until the whole store is within the cap; nothing that a living
//! lease counts on goes. Sizes are blocks on disk, not lengths of files, and the databases and
//! scratch files count, too.
//!
//! Content is only renamed into a scratch directory while the store is locked; giving its blocks
//! back, which takes time, happens afterwards. A prune that is killed leaves no half of anything.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use kiln_oci::{Descriptor, Digest, Document, media_type};

use crate::disk;
use crate::error::StoreError;
use crate::lease::{self, Lease};
use crate::lock::FileLock;
use crate::reserve;
use crate::store::{Store, is_missing, now};

/// How much to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneOptions {
    /// Stop when the store is this small, in bytes on disk. Nothing means: remove all that can be
    /// made again.
    pub keep: Option<u64>,
    /// Only what was not used for this many seconds.
    pub unused_for: Option<i64>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// One line each, with the bytes on disk that it frees.
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
    what: What,
    label: String,
    bytes: u64,
    used: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Blob(Digest),
    #[cfg(target_os = "linux")]
    Snapshot(String),
    #[cfg(target_os = "linux")]
    CacheMount(String),
}

/// The store, locked against those who begin to count on content.
struct Quiet {
    _exclusive: FileLock,
    protected: HashSet<Digest>,
}

impl Store {
    /// Removes what can be made again until the store is within the cap.
    ///
    /// # Errors
    /// If the store cannot be read or changed.
    pub fn prune(&self, options: &PruneOptions) -> Result<Pruned, StoreError> {
        if options.dry_run {
            return self.plan_prune(options);
        }
        lease::clean_dead(self.root())?;
        let lease = match self.lease() {
            Err(error) if error.is_disk_full() && reserve::release(self.root()) => self.lease(),
            lease => lease,
        }?;
        let mut pruned = Pruned::default();
        let mut remaining = self.usage()?.total();
        let mut quiet = None;
        for candidate in self.candidates(options)? {
            if options.keep.is_some_and(|keep| remaining <= keep) {
                break;
            }
            if self.remove(&lease, &candidate.what, &mut quiet)? {
                remaining = remaining.saturating_sub(candidate.bytes);
                pruned.removed.push((candidate.label, candidate.bytes));
            }
        }
        drop(quiet);
        // Now the blocks are given back.
        drop(lease);
        self.forget_removed(options)?;
        reserve::refill(self.root());
        pruned.remaining = self.usage()?.total();
        let databases = self.usage_of_databases()?;
        // Records are worth more than a cap that is missed with or without them.
        let is_within = |keep| pruned.remaining <= keep || pruned.remaining - databases > keep;
        if !options.keep.is_none_or(is_within) {
            self.forget_all()?;
            pruned.remaining = self.usage()?.total();
        }
        Ok(pruned)
    }

    /// Removes what can be made again until the store takes no more than `keep` bytes on disk. When
    /// it takes no more already, which is found out quickly, nothing is the answer.
    ///
    /// # Errors
    /// If the store cannot be read or changed.
    pub fn hold_cap(&self, keep: u64) -> Result<Option<Pruned>, StoreError> {
        if self.total()? <= keep {
            return Ok(None);
        }
        let options = PruneOptions {
            keep: Some(keep),
            ..PruneOptions::default()
        };
        self.prune(&options).map(Some)
    }

    /// What a prune would do if it came now.
    fn plan_prune(&self, options: &PruneOptions) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned {
            removed: vec![],
            remaining: self.usage()?.total(),
        };
        let protected = self.protected()?;
        for candidate in self.candidates(options)? {
            if options.keep.is_some_and(|keep| pruned.remaining <= keep) {
                break;
            }
            if matches!(&candidate.what, What::Blob(digest) if protected.contains(digest)) {
                continue;
            }
            pruned.remaining = pruned.remaining.saturating_sub(candidate.bytes);
            pruned.removed.push((candidate.label, candidate.bytes));
        }
        Ok(pruned)
    }

    /// Takes one candidate away, unless somebody counts on it.
    fn remove(
        &self,
        lease: &Lease,
        what: &What,
        quiet: &mut Option<Quiet>,
    ) -> Result<bool, StoreError> {
        match what {
            What::Blob(digest) => {
                let quiet = match quiet {
                    Some(quiet) => quiet,
                    None => quiet.insert(self.quiet()?),
                };
                if quiet.protected.contains(digest) {
                    return Ok(false);
                }
                let (path, away) = (self.blob_path(digest), lease.scratch_path()?);
                match fs::rename(&path, &away) {
                    Ok(()) => Ok(true),
                    Err(error) if is_missing(&error) => Ok(false),
                    Err(error) => Err(StoreError::io("remove", &path)(error)),
                }
            }
            // These have locks of their own, and removing them takes time.
            #[cfg(target_os = "linux")]
            What::Snapshot(name) => {
                *quiet = None;
                Ok(self.snapshots.remove(name, lease.work())?)
            }
            #[cfg(target_os = "linux")]
            What::CacheMount(name) => {
                *quiet = None;
                Ok(self.cache_mounts.remove(name, &lease.scratch_path()?)?)
            }
        }
    }

    fn quiet(&self) -> Result<Quiet, StoreError> {
        Ok(Quiet {
            _exclusive: FileLock::exclusive(&self.lock_path())?,
            protected: self.protected()?,
        })
    }

    /// Content that may not go: what images with a name need and what leases hold.
    fn protected(&self) -> Result<HashSet<Digest>, StoreError> {
        let mut protected = self.needed()?;
        protected.extend(lease::all_held(self.root())?);
        Ok(protected)
    }

    /// What could go, the longest unused first.
    fn candidates(&self, options: &PruneOptions) -> Result<Vec<Candidate>, StoreError> {
        let needed = self.needed()?;
        let mut candidates = vec![];
        for (digest, path) in self.blobs()? {
            if needed.contains(&digest) {
                continue;
            }
            if let Some((bytes, used)) = disk::size_and_use(&path)? {
                candidates.push(Candidate {
                    what: What::Blob(digest),
                    label: format!("content {}", digest.short()),
                    bytes,
                    used,
                });
            }
        }
        #[cfg(target_os = "linux")]
        self.add_directories(&mut candidates)?;
        let latest = options.unused_for.map(|seconds| now() - seconds);
        candidates.retain(|candidate| latest.is_none_or(|latest| candidate.used <= latest));
        candidates.sort_by(|a, b| (a.used, &a.what).cmp(&(b.used, &b.what)));
        Ok(candidates)
    }

    #[cfg(target_os = "linux")]
    fn add_directories(&self, candidates: &mut Vec<Candidate>) -> Result<(), StoreError> {
        use crate::store::seconds;
        let snapshots = self.snapshots.list()?.into_iter();
        candidates.extend(
            snapshots
                .filter(|found| !found.in_use)
                .map(|found| Candidate {
                    label: format!(
                        "snapshot {}",
                        found.name.chars().take(15).collect::<String>()
                    ),
                    what: What::Snapshot(found.name),
                    bytes: found.size,
                    used: seconds(found.last_used),
                }),
        );
        let caches = self.cache_mounts.list()?.into_iter();
        candidates.extend(caches.filter(|found| !found.in_use).map(|found| Candidate {
            label: format!("cache mount `{}`", found.id),
            what: What::CacheMount(found.name),
            bytes: found.size,
            used: seconds(found.last_used),
        }));
        Ok(())
    }

    /// Everything that images with a name consist of. An index that names images which are not here
    /// needs nothing of them.
    pub(crate) fn needed(&self) -> Result<HashSet<Digest>, StoreError> {
        let mut needed = HashSet::new();
        let references = self.references()?.into_iter();
        let mut pending: Vec<Descriptor> = references.map(|known| known.descriptor).collect();
        while let Some(descriptor) = pending.pop() {
            let digest = descriptor.digest;
            let kind = descriptor.media_type.as_str();
            // An index may list content of any kind.
            let is_document = media_type::is_manifest(kind) || media_type::is_index(kind);
            if !needed.insert(digest) || !is_document || !self.has_blob(&digest)? {
                continue;
            }
            match self.document(&digest)? {
                Document::Index(index) => pending.extend(index.manifests),
                Document::Manifest(manifest) => {
                    needed.insert(manifest.config.digest);
                    needed.extend(manifest.layers.iter().map(|layer| layer.digest));
                }
            }
        }
        Ok(needed)
    }

    /// All blobs that have their names.
    pub(crate) fn blobs(&self) -> Result<Vec<(Digest, PathBuf)>, StoreError> {
        let mut blobs = vec![];
        for algorithm in ["sha256", "sha512"] {
            for path in disk::list(&self.root().join("blobs").join(algorithm))? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if let Ok(digest) = format!("{algorithm}:{name}").parse() {
                    blobs.push((digest, path));
                }
            }
        }
        Ok(blobs)
    }

    /// Drops records about what is gone in every form, and those that nobody asked for in a long time.
    fn forget_removed(&self, options: &PruneOptions) -> Result<(), StoreError> {
        const MONTH: i64 = 30 * 24 * 60 * 60;
        // Removing everything means the records, too.
        let unused = match (options.keep, options.unused_for) {
            (None, None) => -1,
            (_, seconds) => seconds.unwrap_or(MONTH).max(24 * 60 * 60),
        };
        let blobs = self.blobs()?.into_iter();
        let there: HashSet<String> = blobs.map(|(digest, _)| digest.to_string()).collect();
        self.cache.write(|db| {
            let mut kept = there.clone();
            let mut known = db.prepare("SELECT diff_id, digest FROM compressed")?;
            let rows = known.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let pairs: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
            for (diff_id, digest) in pairs {
                if there.contains(&digest) {
                    kept.insert(diff_id);
                } else {
                    db.execute("DELETE FROM compressed WHERE digest = ?1", [digest])?;
                }
            }
            let mut indexes = db.prepare("SELECT diff_id FROM indexes")?;
            let rows = indexes.query_map([], |row| row.get::<_, String>(0))?;
            let all: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
            for diff_id in all.iter().filter(|diff_id| !kept.contains(*diff_id)) {
                db.execute("DELETE FROM indexes WHERE diff_id = ?1", [diff_id])?;
            }
            db.execute("DELETE FROM entries WHERE used < ?1", [now() - unused])
                .map(drop)
        })?;
        self.cache.shrink()
    }

    /// Drops all of `cache.db`: the last thing that can be done to hold a cap.
    fn forget_all(&self) -> Result<(), StoreError> {
        self.cache.write(|db| {
            db.execute_batch("DELETE FROM entries; DELETE FROM indexes; DELETE FROM compressed;")
        })?;
        self.cache.shrink()
    }
}
