//! What a store takes on disk: blocks, not lengths of files, by what they are for.

use crate::disk::{self, disk_usage};
use crate::error::StoreError;
use crate::reserve;
use crate::store::Store;

/// Bytes on disk by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Content of images with a name.
    pub images: u64,
    /// Other blobs: results of build steps, and other forms of images' layers.
    pub build_cache: u64,
    /// Unpacked layers.
    pub snapshots: u64,
    /// Directories of `RUN --mount=type=cache`.
    pub cache_mounts: u64,
    /// The two databases with their logs.
    pub databases: u64,
    /// Scratch files of running kilns, and the room that is kept for pruning a full disk.
    pub scratch: u64,
}

impl Usage {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.images + self.reclaimable() + self.databases + self.scratch
    }

    /// What a prune without a cap would free, if nothing of it is in use.
    #[must_use]
    pub fn reclaimable(&self) -> u64 {
        self.build_cache + self.snapshots + self.cache_mounts
    }
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
            let Some((bytes, _)) = disk::size_and_use(&path)? else {
                continue;
            };
            if needed.contains(&digest) {
                usage.images += bytes;
            } else {
                usage.build_cache += bytes;
            }
        }
        self.add_all_but_blobs(&mut usage)?;
        Ok(usage)
    }

    /// The total of [`usage`](Self::usage) without a look into images.
    pub(crate) fn total(&self) -> Result<u64, StoreError> {
        let mut usage = Usage::default();
        for (_, path) in self.blobs()? {
            usage.build_cache += disk::size_and_use(&path)?.map_or(0, |(bytes, _)| bytes);
        }
        self.add_all_but_blobs(&mut usage)?;
        Ok(usage.total())
    }

    fn add_all_but_blobs(&self, usage: &mut Usage) -> Result<(), StoreError> {
        self.add_directories_to(usage)?;
        let below = |name: &str| disk_usage(&self.root().join(name));
        usage.databases = self.usage_of_databases()?;
        usage.scratch = below("work")? + below("leases")?;
        usage.scratch += disk_usage(&reserve::path(self.root()))?;
        Ok(())
    }

    /// What snapshots and cache mounts take; they know it without a walk.
    #[cfg(target_os = "linux")]
    fn add_directories_to(&self, usage: &mut Usage) -> Result<(), StoreError> {
        let snapshots = self.snapshots.list()?;
        usage.snapshots = snapshots.iter().map(|snapshot| snapshot.size).sum();
        let caches = self.cache_mounts.list()?;
        usage.cache_mounts = caches.iter().map(|cache| cache.size).sum();
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn add_directories_to(&self, _: &mut Usage) -> Result<(), StoreError> {
        Ok(())
    }

    /// What the two databases take on disk.
    pub(crate) fn usage_of_databases(&self) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for name in ["refs.db", "cache.db"] {
            for suffix in ["", "-wal", "-shm"] {
                bytes += disk_usage(&self.root().join(format!("{name}{suffix}")))?;
            }
        }
        Ok(bytes)
    }
}
