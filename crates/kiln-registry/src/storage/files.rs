//! Objects as files: `objects/ab/ab…`, 256 directories by the first two digits of the key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::block::Blocks;
use super::{ObjectKey, StorageError};

/// Objects below a directory.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: Arc<Path>,
    epoch: Arc<str>,
    blocks: Blocks,
}

/// Where Linux says which start of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl Files {
    pub(super) fn open(directory: &Path) -> Result<Self, StorageError> {
        let root = directory.join("objects");
        let failed = |error| StorageError::new("make the directories of", &root.display(), error);
        fs::create_dir_all(&root).map_err(failed)?;
        for part in 0..=u8::MAX {
            let path = root.join(format!("{part:02x}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // A disk that became read-only can still be read.
                Err(_) if path.is_dir() => {}
                result => result.map_err(failed)?,
            }
        }
        let _ = sync_directory(&root);
        let _ = sync_directory(directory);
        let boot = fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned());
        // Where the machine does not say, nothing unfinished outlives this process.
        let epoch = boot.unwrap_or_else(|_| ObjectKey::unique().to_string());
        Ok(Self {
            root: root.into(),
            epoch: epoch.into(),
            blocks: Blocks::default(),
        })
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(&key.as_str()[..2]).join(key.as_str())
    }

    pub(super) fn create(&self, key: &ObjectKey) -> Result<FileWriter, StorageError> {
        let path = self.path(key);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| StorageError::new("make", &path.display(), error))?;
        Ok(FileWriter { path, file })
    }

    pub(super) fn resume(&self, key: &ObjectKey, size: u64) -> Result<FileWriter, StorageError> {
        let path = self.path(key);
        let failed = |error| StorageError::new("go on with", &path.display(), error);
        let mut file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < size {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "it lost its end");
            return Err(failed(error));
        }
        file.set_len(size).map_err(failed)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(size)).map_err(failed)?;
        Ok(FileWriter { path, file })
    }

    pub(super) fn reader(&self, key: &ObjectKey) -> Result<Option<FileReader>, StorageError> {
        let path = self.path(key);
        match File::open(&path) {
            Ok(file) => Ok(Some(FileReader {
                opened: Arc::new((path, file)),
                blocks: self.blocks.clone(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::new("open", &path.display(), error)),
        }
    }

    pub(super) fn remove(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|error| StorageError::new("remove", &path.display(), error)),
        }
    }

    pub(super) fn list(&self, part: u8) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        let path = self.root.join(format!("{part:02x}"));
        let failed = |error| StorageError::new("list", &path.display(), error);
        let mut keys = vec![];
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // What has no key's name is not ours.
            let Some(key) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            match entry.metadata() {
                Ok(data) => keys.push((key, data.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(keys)
    }
}

/// A file that grows.
#[derive(Debug)]
pub(super) struct FileWriter {
    path: PathBuf,
    file: File,
}

impl FileWriter {
    pub(super) fn write(&mut self, block: &[u8]) -> Result<(), StorageError> {
        let written = self.file.write_all(block);
        written.map_err(|error| StorageError::new("write", &self.path.display(), error))
    }

    pub(super) fn finish(self) -> Result<(), StorageError> {
        let directory = self.path.parent().expect("because each is in a directory");
        let synced = self
            .file
            .sync_data()
            .and_then(|()| sync_directory(directory));
        synced.map_err(|error| StorageError::new("sync", &self.path.display(), error))
    }
}

/// A file that can be read by many at once.
#[derive(Clone, Debug)]
pub(super) struct FileReader {
    opened: Arc<(PathBuf, File)>,
    blocks: Blocks,
}

impl FileReader {
    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        let (path, file) = &*self.opened;
        let mut block = self.blocks.take();
        let buffer = &mut block.memory()[..length];
        let mut filled = 0;
        while filled < length {
            match read_at(file, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StorageError::new("read", &path.display(), error)),
            }
        }
        Ok(block.into_bytes(filled))
    }

    /// What the machine has in memory anyway, without waiting for the disk; nothing if that is not all
    /// of it. It saves two changes of threads for each block, which on a busy machine cost more than
    /// the copy (preadv2(2), `RWF_NOWAIT`).
    #[cfg(target_os = "linux")]
    pub(super) fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let (_, file) = &*self.opened;
        let mut block = self.blocks.take();
        let slices = &mut [io::IoSliceMut::new(&mut block.memory()[..length])];
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        let read = rustix::io::preadv2(file, slices, offset, flags).ok()?;
        (read == length).then(|| block.into_bytes(length))
    }

    /// Elsewhere it cannot be asked for.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn read_cached(&self, _: u64, _: usize) -> Option<Bytes> {
        None
    }
}

/// Makes the names in a directory survive a power cut.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere directories cannot be synced; the file system's journal has to do.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Reads at a position without moving any other reader's.
#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

/// Reads at a position. The file's own position moves, which nobody looks at.
#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}
