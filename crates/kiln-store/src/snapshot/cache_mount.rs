//! The directories of `RUN --mount=type=cache`, which outlive a build.
//!
//! A cache lies at `cache-mounts/KEY/N/fs`, where KEY is the digest of its id, because ids are paths
//! and may be long, and N counts copies: `private` use takes the first copy that nobody has and makes
//! one more if it must. `cache-mounts/KEY/N.lock` is held as long as a step uses the copy: shared
//! for `shared`, alone for `locked` and `private`. Its time says when the copy was used last, and
//! `cache-mounts/KEY/size` how much there was after that.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kiln_oci::Digest;
use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};

use super::error::SnapshotError;
use super::measure::disk_usage;
use super::seed;
use super::shelf::{is_still_at, remove_tree};
use crate::lock::{FileLock, Interrupt};

/// Who may use a cache at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheSharing {
    /// Any number of steps.
    #[default]
    Shared,
    /// Each step has a copy of its own; a second one starts empty.
    Private,
    /// One step after the other.
    Locked,
}

/// How a cache is used and, the first time, made.
#[derive(Clone, Copy, Debug)]
pub struct CacheMountOptions<'a> {
    /// Who may use it at the same time.
    pub sharing: CacheSharing,
    /// Permissions of a new cache's directory.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// A directory whose content a new cache starts with.
    pub seed: Option<&'a Path>,
}

impl Default for CacheMountOptions<'_> {
    /// Shared, 0755, root's, empty.
    fn default() -> Self {
        Self {
            sharing: CacheSharing::Shared,
            mode: 0o755,
            uid: 0,
            gid: 0,
            seed: None,
        }
    }
}

/// A cache in use. Dropped, others may have it.
#[derive(Debug)]
pub struct CacheMount {
    dir: PathBuf,
    lock: FileLock,
}

impl CacheMount {
    /// The directory to be mounted.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for CacheMount {
    fn drop(&mut self) {
        // The time of the last use; without it the cache only looks older.
        let _ = self.lock.file().set_modified(SystemTime::now());
    }
}

/// What is known about a cache for those who collect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheMountInfo {
    /// Its name, for [`CacheMounts::remove`].
    pub name: String,
    /// The id that steps use.
    pub id: String,
    /// Bytes that all its copies take on the disk.
    pub size: u64,
    /// When it was used last.
    pub last_used: SystemTime,
    /// Whether a step uses it now, so that it cannot be removed.
    pub in_use: bool,
}

/// The caches of a store.
#[derive(Debug)]
pub struct CacheMounts {
    root: PathBuf,
    interrupt: Interrupt,
}

impl CacheMounts {
    /// The caches in the directory `root`, which is made when it is needed.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            interrupt: Interrupt::default(),
        }
    }

    /// Waits for other steps end when `interrupt` says so.
    pub(crate) fn with_interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// The cache `id`, made if it is not there. Waits where `sharing` says so. A step that needs
    /// several must take them in the order of their ids, or two steps can wait for each other.
    ///
    /// # Errors
    /// When the id is empty or too long, or the directory cannot be made or locked.
    pub fn mount(
        &self,
        id: &str,
        options: &CacheMountOptions<'_>,
    ) -> Result<CacheMount, SnapshotError> {
        let place = self.root.join(name_of(id)?);
        loop {
            fs::create_dir_all(&place).map_err(SnapshotError::io("create", &place))?;
            let Some((number, lock)) = acquire(&place, options.sharing, &self.interrupt)? else {
                // Somebody removed the cache meanwhile.
                continue;
            };
            let note = place.join("id");
            fs::write(&note, id).map_err(SnapshotError::io("write", &note))?;
            let copy = place.join(number.to_string());
            let dir = copy.join("fs");
            if fs::symlink_metadata(&dir).is_err() && !create(&copy, &lock, options)? {
                continue;
            }
            if options.sharing == CacheSharing::Shared {
                let failed = SnapshotError::io("lock", lock_path(&place, number));
                lock.become_shared().map_err(failed)?;
            }
            if fs::symlink_metadata(&dir).is_ok() {
                // What was counted before does not hold any more, even if this process is killed.
                let _ = lock.file().set_modified(SystemTime::now());
                return Ok(CacheMount { dir, lock });
            }
        }
    }

    /// All caches with their sizes.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn list(&self) -> Result<Vec<CacheMountInfo>, SnapshotError> {
        let mut all = Vec::new();
        for place in entries(&self.root)? {
            let Ok(id) = fs::read_to_string(place.join("id")) else {
                continue;
            };
            let locks: Vec<PathBuf> = entries(&place)?
                .into_iter()
                .filter(|path| is_lock(path))
                .collect();
            let times = locks
                .iter()
                .filter_map(|lock| fs::metadata(lock).ok()?.modified().ok());
            let last_used = times.max().unwrap_or(SystemTime::UNIX_EPOCH);
            let in_use = hold_all(&locks)?.is_none();
            let name = place.file_name().unwrap_or_default();
            all.push(CacheMountInfo {
                name: name.to_string_lossy().into_owned(),
                id,
                size: match in_use {
                    true => disk_usage(&place)?,
                    false => size_after(&place, last_used)?,
                },
                last_used,
                in_use,
            });
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// Removes the cache called `name` by way of the path `away`, which must not be there and lie in
    /// the same file system. Says whether it did: one that is in use or not there is left.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str, away: &Path) -> Result<bool, SnapshotError> {
        if name.len() != 64 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(false);
        }
        let place = self.root.join(name);
        let locks: Vec<PathBuf> = entries(&place)?
            .into_iter()
            .filter(|path| is_lock(path))
            .collect();
        let Some(held) = hold_all(&locks)? else {
            return Ok(false);
        };
        match fs::rename(&place, away) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(SnapshotError::io("move", place)(error)),
        }
        drop(held);
        remove_tree(away)?;
        Ok(true)
    }
}

fn name_of(id: &str) -> Result<String, SnapshotError> {
    let reason = match id.len() {
        0 => "it is empty",
        1..=4096 => return Ok(Digest::sha256(id.as_bytes()).hex()),
        _ => "it is longer than 4096 bytes",
    };
    let id = id.chars().take(64).collect();
    Err(SnapshotError::CacheName { id, reason })
}

/// Finds a copy and locks it alone if it is not there yet or `sharing` wants it so, shared
/// otherwise. Nothing when the cache was removed meanwhile.
fn acquire(
    place: &Path,
    sharing: CacheSharing,
    interrupt: &Interrupt,
) -> Result<Option<(u32, FileLock)>, SnapshotError> {
    for number in 0.. {
        let path = lock_path(place, number);
        let open = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = match open {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SnapshotError::io("open", path)(error)),
        };
        let is_made = place.join(number.to_string()).join("fs").exists();
        let failed = || SnapshotError::io("lock", &path);
        let waited = || SnapshotError::lock(&path);
        let lock = match sharing {
            CacheSharing::Private => match FileLock::try_own(file).map_err(failed())? {
                Ok(lock) => lock,
                Err(_) => continue,
            },
            CacheSharing::Shared if is_made => {
                FileLock::share_unless(file, interrupt).map_err(waited())?
            }
            CacheSharing::Shared => match FileLock::try_own(file).map_err(failed())? {
                Ok(lock) => lock,
                // Who makes the copy at this moment shares it as soon as it is there.
                Err(file) => FileLock::share_unless(file, interrupt).map_err(waited())?,
            },
            CacheSharing::Locked => FileLock::own_unless(file, interrupt).map_err(waited())?,
        };
        return Ok(is_still_at(lock.file(), &path).then_some((number, lock)));
    }
    Ok(None)
}

fn lock_path(place: &Path, number: u32) -> PathBuf {
    place.join(format!("{number}.lock"))
}

/// Makes a copy, whose `lock` is held alone. A seed is copied aside first, so that a step which is
/// killed leaves no half of it. Nothing is done, and `false` the answer, when the lock is only
/// shared because the copy was there a moment ago.
fn create(
    copy: &Path,
    lock: &FileLock,
    options: &CacheMountOptions<'_>,
) -> Result<bool, SnapshotError> {
    if !lock
        .try_become_sole()
        .map_err(SnapshotError::io("lock", copy))?
    {
        return Ok(false);
    }
    let (dir, new) = (copy.join("fs"), copy.join("new"));
    if dir.exists() {
        return Ok(true);
    }
    fs::create_dir_all(copy).map_err(SnapshotError::io("create", copy))?;
    remove_tree(&new)?;
    fs::create_dir(&new).map_err(SnapshotError::io("create", &new))?;
    if let Some(from) = options.seed {
        seed::copy_tree(from, &new)?;
    }
    let (uid, gid) = (Uid::from_raw(options.uid), Gid::from_raw(options.gid));
    let owned = chownat(CWD, &new, Some(uid), Some(gid), AtFlags::empty());
    owned.map_err(SnapshotError::io("set the owner of", &new))?;
    let mode = fs::Permissions::from_mode(options.mode & 0o7777);
    fs::set_permissions(&new, mode).map_err(SnapshotError::io("set the mode of", &new))?;
    fs::rename(&new, &dir).map_err(SnapshotError::io("put in place", &dir))?;
    Ok(true)
}

/// Bytes that a cache takes which nobody uses since `last_used`. They are counted once for each use.
fn size_after(place: &Path, last_used: SystemTime) -> Result<u64, SnapshotError> {
    let note = place.join("size");
    let since = last_used.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default().as_nanos().to_string();
    let known = fs::read_to_string(&note).unwrap_or_default();
    if let Some((time, size)) = known.split_once(' ')
        && time == since
        && let Ok(size) = size.parse()
    {
        return Ok(size);
    }
    let size = disk_usage(place)?;
    // Where nothing can be written it is counted again.
    let _ = fs::write(note, format!("{since} {size}"));
    Ok(size)
}

fn is_lock(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "lock")
}

/// Holds all locks alone; nothing when one of them is in use.
fn hold_all(locks: &[PathBuf]) -> Result<Option<Vec<FileLock>>, SnapshotError> {
    let mut held = Vec::with_capacity(locks.len());
    for path in locks {
        let Ok(file) = File::open(path) else {
            continue;
        };
        match FileLock::try_own(file).map_err(SnapshotError::io("lock", path))? {
            Ok(lock) => held.push(lock),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(held))
}

/// The paths in a directory; none when it is not there.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let failed = || SnapshotError::io("list", directory);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    entries
        .map(|entry| Ok(entry.map_err(failed())?.path()))
        .collect()
}
