//! The root file system of an image as files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kiln_layer::{ContentAt as _, Entry, Kind, Time};
use kiln_oci::Image;

use super::{ExportError, each, tree};
use crate::store::Store;

/// Writes the root file system of an image as files into `dest`, which is made if it is not there.
///
/// What is there already stays, unless a file of the image has its path. Everything belongs to the
/// person who does it, extended attributes and devices are left out, as by other builders: the result
/// is for looking at and copying, not for running as another root.
///
/// # Errors
/// If a layer cannot be read or a file not be written.
pub fn to_directory(store: &Store, image: &Image, dest: &Path) -> Result<(), ExportError> {
    let tree = tree(store, image)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ExportError::File { path, source }
    };
    fs::create_dir_all(dest).map_err(failed(dest))?;
    let mut directories = vec![];
    each(&tree, |entry, node| {
        let path = place(dest, &entry.path);
        match &entry.kind {
            Kind::Directory => {
                make_directory(&path).map_err(failed(&path))?;
                directories.push((path, entry.clone()));
                Ok(())
            }
            Kind::File { .. } => {
                let content: Box<dyn Read + Send> = match node.diff_id() {
                    Some(layer) => store.open_at(layer, node.indexed())?,
                    None => Box::new(io::empty()),
                };
                make_file(&path, entry, content).map_err(failed(&path))
            }
            Kind::Hardlink { target } => {
                let target = place(dest, target);
                let linked = match target.symlink_metadata() {
                    Ok(_) => clear(&path).and_then(|()| fs::hard_link(&target, &path)),
                    // The other name of something that was left out.
                    Err(_) => Ok(()),
                };
                linked.map_err(failed(&path))
            }
            Kind::Symlink { target } => {
                let made = clear(&path).and_then(|()| make_symlink(target, &path));
                made.map_err(failed(&path))
            }
            _ => Ok(()),
        }
    })?;
    // From the bottom up, because every new file changes its directory's time, and a mode may keep
    // others out.
    for (path, entry) in directories.iter().rev() {
        finish(path, entry).map_err(failed(path))?;
    }
    Ok(())
}

/// A path below `dest`. It has no `..` and no empty parts, as all paths of entries.
fn place(dest: &Path, path: &[u8]) -> PathBuf {
    dest.join(os_string(path))
}

#[cfg(unix)]
fn os_string(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Makes a directory, or lets us into one that is there until it gets its own mode at the end. A link
/// to one must not lead the rest of the image out of `dest`.
fn make_directory(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(data) if data.is_dir() => set_mode(path, 0o700),
        Ok(_) => fs::remove_file(path).and_then(|()| fs::create_dir(path)),
        Err(_) => fs::create_dir(path),
    }
}

/// Removes a file that is in the way. A directory with something in it stays and is an error later.
fn clear(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(data) if data.is_dir() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn make_file(path: &Path, entry: &Entry, mut content: Box<dyn Read + Send>) -> io::Result<()> {
    clear(path)?;
    let mut file = File::create_new(path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = content.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        io::Write::write_all(&mut file, &buffer[..read])?;
    }
    set_mode(path, entry.mode)?;
    file.set_modified(system_time(entry.mtime))
}

fn finish(path: &Path, entry: &Entry) -> io::Result<()> {
    let opened = File::open(path);
    set_mode(path, entry.mode)?;
    // A directory that cannot be opened or dated on this platform keeps its time.
    let _ = opened.and_then(|directory| directory.set_modified(system_time(entry.mtime)));
    Ok(())
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn make_symlink(target: &[u8], path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(os_string(target), path)
}

#[cfg(not(unix))]
fn make_symlink(_: &[u8], _: &Path) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "symbolic links of an image cannot be written here",
    ))
}

fn system_time(time: Time) -> SystemTime {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let moved = match time.seconds < 0 {
        true => UNIX_EPOCH.checked_sub(seconds),
        false => UNIX_EPOCH.checked_add(seconds),
    };
    moved.unwrap_or(UNIX_EPOCH) + Duration::from_nanos(u64::from(time.nanos))
}
