//! The directory of finished snapshots: `snapshots/KEY/fs` with a mark beside it.
//!
//! A snapshot is made elsewhere and renamed into place as a whole, so that a killed process leaves
//! none half done. A power cut can: the rename may reach the disk before the files. The mark,
//! `snapshots/KEY/done`, therefore holds the id of the boot in which the snapshot was written, and
//! counts only in that boot, where the page cache makes up for the disk. So nothing waits for the disk;
//! after a restart snapshots are made again from the layers.
//!
//! The mark is also the snapshot's lock: those who use it hold it shared, and its time says when it
//! was used last.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use super::error::SnapshotError;
use super::key::Key;
use super::measure::disk_usage;
use crate::lock::{FileLock, Interrupt};

/// A finished snapshot, which cannot be removed as long as this value lives.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    _shared: FileLock,
}

impl Snapshot {
    /// The layer's directory, to be a lower directory of an overlay. It must not be changed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What is known about a snapshot for those who collect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name, for [`Snapshots::remove`](super::Snapshots::remove).
    pub name: String,
    /// Bytes that it takes on the disk, hard links counted once.
    pub size: u64,
    /// When it was used last.
    pub last_used: SystemTime,
    /// Whether a process uses it now, so that it cannot be removed.
    pub in_use: bool,
}

/// Where snapshots lie.
#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    /// Ends waits for other processes.
    pub(super) interrupt: Interrupt,
}

impl Shelf {
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            interrupt: Interrupt::default(),
        }
    }

    fn place(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// The snapshot, if it is there and whole.
    pub(super) fn find(&self, key: &Key) -> Result<Option<Snapshot>, SnapshotError> {
        let place = self.place(key);
        let path = place.join("done");
        let done = match File::open(&path) {
            Ok(done) => done,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SnapshotError::io("open", path)(error)),
        };
        // Only held for long by others who use it, too; or for a moment by one who removes it.
        let shared = FileLock::share(done).map_err(SnapshotError::io("lock", &path))?;
        let mut done = shared.file();
        if !is_still_at(done, &path) {
            return Ok(None);
        }
        let mut text = String::new();
        let is_readable = done.read_to_string(&mut text).is_ok();
        if !is_readable || text != boot_id() {
            return Ok(None);
        }
        // A time that cannot be set only makes the snapshot look older than it is.
        let _ = done.set_modified(SystemTime::now());
        Ok(Some(Snapshot {
            path: place.join("fs"),
            _shared: shared,
        }))
    }

    /// Makes `made`, a directory with the content in `fs`, the snapshot of `key`. One that is there
    /// already stays; then `made` is left where it is.
    pub(super) fn put(&self, key: &Key, made: &Path) -> Result<Snapshot, SnapshotError> {
        let _lock = self.lock(key)?;
        if let Some(there) = self.find(key)? {
            return Ok(there);
        }
        self.put_locked(key, made)
    }

    /// As [`put`](Self::put), by the holder of the key's lock, who found nothing.
    pub(super) fn put_locked(&self, key: &Key, made: &Path) -> Result<Snapshot, SnapshotError> {
        let mark = made.join("done");
        fs::write(&mark, boot_id()).map_err(SnapshotError::io("write", &mark))?;
        let place = self.place(key);
        if fs::symlink_metadata(&place).is_ok() {
            // What a power cut left.
            let away = made.with_extension("stale");
            fs::rename(&place, &away).map_err(SnapshotError::io("move", &place))?;
            remove_tree(&away)?;
        }
        fs::rename(made, &place).map_err(SnapshotError::io("put in place", &place))?;
        let found = self.find(key)?;
        found.ok_or_else(|| {
            let lost = io::Error::from(io::ErrorKind::NotFound);
            SnapshotError::io("use the new snapshot", place)(lost)
        })
    }

    /// Waits until no other process makes the snapshot of `key`.
    pub(super) fn lock(&self, key: &Key) -> Result<KeyLock, SnapshotError> {
        let path = self.root.join(format!("{key}.lock"));
        loop {
            let open = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path);
            let file = open.map_err(SnapshotError::io("open", &path))?;
            let lock = FileLock::own_unless(file, &self.interrupt);
            let lock = lock.map_err(SnapshotError::lock(&path))?;
            // The one before removed the file when it was done.
            if is_still_at(lock.file(), &path) {
                return Ok(KeyLock { path, _lock: lock });
            }
        }
    }

    /// All snapshots, those that a power cut broke, too.
    pub(super) fn list(&self) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        let mut all = Vec::new();
        for key in self.keys()? {
            let place = self.place(&key);
            let done = place.join("done");
            let last_used = fs::metadata(&done).and_then(|metadata| metadata.modified());
            let in_use = match File::open(&done) {
                Ok(file) => matches!(FileLock::try_own(file), Ok(Err(_))),
                Err(_) => false,
            };
            all.push(SnapshotInfo {
                name: key.as_str().to_owned(),
                size: size_of(&place)?,
                last_used: last_used.unwrap_or(SystemTime::UNIX_EPOCH),
                in_use,
            });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn keys(&self) -> Result<Vec<Key>, SnapshotError> {
        let failed = || SnapshotError::io("list", &self.root);
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed()(error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed())?.file_name();
            keys.extend(name.to_str().and_then(Key::from_name));
        }
        Ok(keys)
    }

    /// Removes a snapshot by way of `work`. Says whether it did: not one that is in use.
    pub(super) fn remove(&self, key: &Key, away: &Path) -> Result<bool, SnapshotError> {
        let _lock = self.lock(key)?;
        let place = self.place(key);
        let held = match File::open(place.join("done")) {
            Ok(done) => match FileLock::try_own(done).map_err(SnapshotError::io("lock", &place))? {
                Ok(lock) => Some(lock),
                Err(_) => return Ok(false),
            },
            Err(_) => None,
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

/// The right to make the snapshot of one key. Its file goes away with it.
#[derive(Debug)]
pub(super) struct KeyLock {
    path: PathBuf,
    _lock: FileLock,
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // While the lock is held: who waits for it sees that the file is gone and makes a new one.
        let _ = fs::remove_file(&self.path);
    }
}

/// Bytes on the disk. A snapshot never changes, so they are counted once and written beside it.
fn size_of(place: &Path) -> Result<u64, SnapshotError> {
    let note = place.join("size");
    let known = fs::read_to_string(&note).ok();
    if let Some(size) = known.and_then(|text| text.parse().ok()) {
        return Ok(size);
    }
    let size = disk_usage(place)?;
    // Where nothing can be written it is counted again.
    let _ = fs::write(note, size.to_string());
    Ok(size)
}

pub(super) fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Removes a directory and all in it, also where modes keep even the owner out.
pub(super) fn remove_tree(path: &Path) -> Result<(), SnapshotError> {
    let result = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            super::measure::open_up(path);
            fs::remove_dir_all(path)
        }
        result => result,
    };
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SnapshotError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// The kernel's name for the time since the machine was started.
fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        // Without one, no mark of any boot may count: the process's id is no better than none, but
        // serves this process.
        let fallback = || format!("process {}", std::process::id());
        text.map_or_else(|_| fallback(), |text| text.trim().to_owned())
    })
}
