//! RUN --mount=type=cache: directories that outlive the build.
//!
//! A cache may be locked by one step at a time. Steps that use several take them in the order of their ids, and
//! each once however often it is mounted: otherwise two of them could wait for each other, or one for itself.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kiln_dockerfile::evaluate::{Mount, MountKind, Sharing};
use kiln_store::{CacheMount, CacheMountOptions, CacheSharing};

use super::Worker;
use crate::error::StepError;

/// The caches of one step, until it ends.
#[derive(Default)]
pub(super) struct Caches(BTreeMap<String, CacheMount>);

impl Caches {
    /// The directory of a cache that was taken.
    pub(super) fn dir(&self, id: &str) -> PathBuf {
        self.0
            .get(id)
            .map(|cache| cache.dir().to_owned())
            .unwrap_or_default()
    }
}

impl Worker<'_, '_> {
    /// Takes the caches that `mounts` name.
    pub(super) fn take_caches(&self, mounts: &[Mount]) -> Result<Caches, StepError> {
        let mut wanted: BTreeMap<&str, &MountKind> = BTreeMap::new();
        for mount in mounts {
            if let MountKind::Cache { id, .. } = &mount.kind {
                wanted.entry(id).or_insert(&mount.kind);
            }
        }
        let mut caches = Caches::default();
        for (id, kind) in wanted {
            caches.0.insert(id.to_owned(), self.take_cache(id, kind)?);
        }
        Ok(caches)
    }

    fn take_cache(&self, id: &str, kind: &MountKind) -> Result<CacheMount, StepError> {
        let MountKind::Cache {
            from,
            source,
            sharing,
            mode,
            uid,
            gid,
            ..
        } = kind
        else {
            return Err(StepError::Missing(format!("`{id}` is not a cache")));
        };
        let (store, lease) = (self.shared.build.store, self.shared.lease);
        let seed = match from {
            None => None,
            Some(from) => {
                let files = self.shared.files(Some(from))?;
                let layer = self
                    .shared
                    .subtree_as_layer(&*files, source, self.state.epoch)?;
                store.snapshot(lease, &[layer.diff_id])?.first().cloned()
            }
        };
        let sharing = match sharing {
            Sharing::Shared => CacheSharing::Shared,
            Sharing::Private => CacheSharing::Private,
            Sharing::Locked => CacheSharing::Locked,
        };
        let seed = seed.as_deref();
        let options = CacheMountOptions {
            sharing,
            mode: *mode,
            uid: *uid,
            gid: *gid,
            seed,
        };
        Ok(store.cache_mount(id, &options)?)
    }
}
