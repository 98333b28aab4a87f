//! Owners, modes, times and extended attributes of files, by open file or by path without following links.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kiln_layer::{Entry, Time};
use rustix::fs::{AtFlags, CWD, Gid, Timespec, Timestamps, Uid, XattrFlags};

/// The attribute that marks an opaque directory. Source: Linux, Documentation/filesystems/overlayfs.rst; in a
/// user namespace the kernel reads the `user.` form (mount option `userxattr`).
pub(super) fn opaque_name(user_namespace: bool) -> &'static str {
    if user_namespace {
        "user.overlay.opaque"
    } else {
        "trusted.overlay.opaque"
    }
}

/// Root directories of snapshots are as those of images: anybody may enter.
pub(super) fn open_root(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Gives a file that is not a symbolic link its owner, attributes, mode and time, in this order: changing the
/// owner clears capabilities and set-id bits.
pub(super) fn apply(path: &Path, entry: &Entry) -> io::Result<()> {
    own(path, entry)?;
    for (name, value) in &entry.xattrs {
        set_xattr(path, name, value)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(entry.mode))?;
    set_time(path, entry.mtime)
}

/// Gives a symbolic link its owner and time.
pub(super) fn apply_to_link(path: &Path, entry: &Entry) -> io::Result<()> {
    own(path, entry)?;
    set_time(path, entry.mtime)
}

fn own(path: &Path, entry: &Entry) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    Ok(rustix::fs::chownat(
        CWD,
        path,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

/// Sets the time of the last change, and that of the last access with it.
pub(crate) fn set_time(path: &Path, time: Time) -> io::Result<()> {
    let stamp = Timespec {
        tv_sec: time.seconds,
        tv_nsec: i64::from(time.nanos),
    };
    let times = Timestamps {
        last_access: stamp,
        last_modification: stamp,
    };
    Ok(rustix::fs::utimensat(
        CWD,
        path,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

/// Sets an extended attribute. Security labels that this kernel or user may not set are left out: they mean
/// nothing here. Capabilities do, so failing to set them is a failure.
fn set_xattr(path: &Path, name: &[u8], value: &[u8]) -> io::Result<()> {
    let key = CString::new(name)?;
    match rustix::fs::lsetxattr(path, &key, value, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        Err(_) if name.starts_with(b"security.") && name != b"security.capability" => Ok(()),
        Err(rustix::io::Errno::PERM | rustix::io::Errno::OPNOTSUPP)
            if name.starts_with(b"trusted.") || name.starts_with(b"system.") =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The attributes that become part of a layer: capabilities (which the kernel shows without the user
/// namespace's own root id), and those of users, but for overlayfs' own marks.
pub(super) fn kept_xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut kept = BTreeMap::new();
    let mut names = vec![0; 4096];
    let length = loop {
        match rustix::fs::llistxattr(path, &mut names[..]) {
            Ok(length) => break length,
            Err(rustix::io::Errno::RANGE) => names.resize(names.len() * 4, 0),
            Err(rustix::io::Errno::OPNOTSUPP) => return Ok(kept),
            Err(error) => return Err(error.into()),
        }
    };
    for name in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let wanted = name == b"security.capability"
            || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."));
        if wanted {
            kept.insert(name.to_vec(), get_xattr(path, name)?);
        }
    }
    Ok(kept)
}

fn get_xattr(path: &Path, name: &[u8]) -> io::Result<Vec<u8>> {
    let key = CString::new(name)?;
    let mut value = vec![0; 1024];
    loop {
        match rustix::fs::lgetxattr(path, &key, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(rustix::io::Errno::RANGE) => value.resize(value.len() * 4, 0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a directory hides what lower layers have in it.
pub(super) fn is_opaque(path: &Path) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .iter()
        .any(|name| get_xattr(path, name.as_bytes()).is_ok_and(|value| value == b"y"))
}

/// Marks a directory as opaque.
pub(super) fn set_opaque(path: &Path, user_namespace: bool) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(
        path,
        opaque_name(user_namespace),
        b"y",
        XattrFlags::empty(),
    )?)
}
