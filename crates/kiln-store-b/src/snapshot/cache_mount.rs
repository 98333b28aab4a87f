//! Directories that outlive builds: `RUN --mount=type=cache`.

use std::fs;
use std::marker::PhantomData;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_oci::Digest;

use crate::error::StoreError;
use crate::lock::FileLock;
use crate::store::Store;

/// How several builds use one cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheSharing {
    /// All at once.
    #[default]
    Shared,
    /// Each gets one that nobody else uses at the time.
    Private,
    /// One after another.
    Locked,
}

/// How a cache is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct CacheMountOptions<'a> {
    /// Together with whom.
    pub sharing: CacheSharing,
    /// Mode of a new cache's directory.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// What a new cache begins with.
    pub seed: Option<&'a Path>,
}

/// A cache in use. It is not removed before this is dropped.
#[derive(Debug)]
pub struct CacheMount<'a> {
    dir: PathBuf,
    _lock: FileLock,
    store: PhantomData<&'a Store>,
}

impl CacheMount<'_> {
    /// The directory to mount.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Store {
    /// The cache called `id`, made if it is not there yet. Waits while somebody has it to themselves.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn cache_mount(
        &self,
        id: &str,
        options: &CacheMountOptions<'_>,
    ) -> Result<CacheMount<'_>, StoreError> {
        let all = self.root().join("cache-mounts");
        let name = Digest::sha256(id.as_bytes()).hex()[..32].to_owned();
        let (path, lock) = match options.sharing {
            CacheSharing::Shared => {
                let path = all.join(&name);
                let lock = FileLock::shared(&path.with_extension("lock"))?;
                (path, lock)
            }
            CacheSharing::Locked => {
                let path = all.join(&name);
                let lock = FileLock::exclusive(&path.with_extension("lock"))?;
                (path, lock)
            }
            CacheSharing::Private => free_one(&all, &name)?,
        };
        let dir = path.join("fs");
        if !dir.exists() {
            make(&path, options)?;
            let label = path.join("id");
            fs::write(&label, id).map_err(StoreError::io("write", &label))?;
        }
        Ok(CacheMount {
            dir,
            _lock: lock,
            store: PhantomData,
        })
    }
}

/// The first of the private caches of a name that nobody uses.
fn free_one(all: &Path, name: &str) -> Result<(PathBuf, FileLock), StoreError> {
    let mut number = 0;
    loop {
        let path = all.join(format!("{name}-{number}"));
        if let Some(lock) = FileLock::try_exclusive(&path.with_extension("lock"))? {
            return Ok((path, lock));
        }
        number += 1;
    }
}

/// Makes a cache beside its name first, so that a half-filled one is never taken for whole.
fn make(path: &Path, options: &CacheMountOptions<'_>) -> Result<(), StoreError> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let fs_directory = new.join("fs");
    fs::create_dir_all(&fs_directory).map_err(StoreError::io("create", &fs_directory))?;
    if let Some(seed) = options.seed {
        let status = Command::new("cp")
            .arg("-a")
            .arg(seed.join("."))
            .arg(&fs_directory)
            .status();
        status.map_err(StoreError::io("fill", &fs_directory))?;
    }
    let mode = fs::Permissions::from_mode(options.mode);
    fs::set_permissions(&fs_directory, mode).map_err(StoreError::io("write", &fs_directory))?;
    chown(&fs_directory, Some(options.uid), Some(options.gid))
        .map_err(StoreError::io("change the owner of", &fs_directory))?;
    match fs::rename(&new, path) {
        Ok(()) => Ok(()),
        // Another build that shares it was faster.
        Err(_) if path.join("fs").exists() => {
            let _ = fs::remove_dir_all(&new);
            Ok(())
        }
        Err(error) => Err(StoreError::io("create", path)(error)),
    }
}
