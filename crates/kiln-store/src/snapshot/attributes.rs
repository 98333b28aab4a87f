//! Extended attributes between files and entries: which are kept, and file capabilities.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;

use super::marks::is_overlay_mark;

/// File capabilities, which need special care: the kernel binds them to a user namespace.
pub(super) const CAPABILITY: &[u8] = b"security.capability";

/// Where a device node that could not be made is written down, as fuse-overlayfs does.
pub(super) const OVERRIDE_STAT: &[u8] = b"user.containers.override_stat";

/// The names and values of a file's attributes.
pub(super) type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// A path to `name` in the directory `dir` that is good for the calls on extended attributes, which
/// take no directory. It leads through the descriptor, so that nothing but `name` is resolved.
pub(super) fn through(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    use std::os::fd::AsRawFd;
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

/// Whether a layer's attribute is put onto files: capabilities, users' own and access lists.
/// Security labels belong to the host, `trusted.` to its root.
pub(super) fn is_unpacked(name: &[u8]) -> bool {
    if is_overlay_mark(name) || name == OVERRIDE_STAT {
        return false;
    }
    name == CAPABILITY || name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_")
}

/// Whether a file's attribute becomes part of a layer: capabilities and users' own. Access lists
/// mean numbers of this machine's file system and are dropped, as by containerd.
fn is_committed(name: &[u8]) -> bool {
    name == CAPABILITY
        || (name.starts_with(b"user.") && !is_overlay_mark(name) && name != OVERRIDE_STAT)
}

/// The attributes among `all` that a comparison with a file can see.
pub(super) fn committed(all: &Attributes) -> Attributes {
    let kept = all.iter().filter(|(name, _)| is_committed(name));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// All attributes of the file at `path`, which is not followed when it is a link.
///
/// # Errors
/// The system's; a file system without attributes has none.
pub(super) fn read_all(path: &[u8]) -> Result<Attributes, Errno> {
    let mut names = vec![0; 1024];
    let len = loop {
        match llistxattr(path, &mut names[..]) {
            Ok(len) => break len,
            Err(Errno::RANGE) => names.resize(names.len() * 4, 0),
            Err(Errno::OPNOTSUPP) => return Ok(Attributes::new()),
            Err(error) => return Err(error),
        }
    };
    let mut attributes = Attributes::new();
    for name in names[..len].split(|byte| *byte == 0) {
        if !name.is_empty()
            && let Some(value) = read_one(path, name)?
        {
            attributes.insert(name.to_vec(), value);
        }
    }
    Ok(attributes)
}

fn read_one(path: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = vec![0; 256];
    loop {
        match lgetxattr(path, name, &mut value[..]) {
            Ok(len) => {
                value.truncate(len);
                return Ok(Some(value));
            }
            // The kernel's limit is 64 KiB, so that this ends.
            Err(Errno::RANGE) if value.len() < 1 << 17 => value.resize(value.len() * 4, 0),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Whether a failure to set `name` can be passed over: a file system or a kind of file that has no
/// such attributes. Never for capabilities, without which a program does not work.
fn is_bearable(name: &[u8], error: Errno) -> bool {
    name != CAPABILITY && matches!(error, Errno::OPNOTSUPP | Errno::PERM)
}

/// Puts a layer's attributes onto the file at `path`, which is not followed when it is a link.
///
/// # Errors
/// The attribute's name and the system's error.
pub(super) fn write_all(path: &[u8], attributes: &Attributes) -> Result<(), Errno> {
    for (name, value) in attributes.iter().filter(|(name, _)| is_unpacked(name)) {
        if let Err(error) = lsetxattr(path, &name[..], value, XattrFlags::empty())
            && !is_bearable(name, error)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// Brings file capabilities into the form of a layer: version 2, which no namespace owns.
///
/// Source: Linux, include/uapi/linux/capability.h, `struct vfs_ns_cap_data`: a magic of version and
/// flags, two pairs of permitted and inheritable sets, and in version 3 the namespace's root.
pub(super) fn portable_capability(value: Vec<u8>) -> Vec<u8> {
    const VERSION_2: u32 = 0x0200_0000;
    const VERSION_3: u32 = 0x0300_0000;
    const VERSION: u32 = 0xff00_0000;
    let Ok([a, b, c, d]) = <[u8; 4]>::try_from(value.get(..4).unwrap_or_default()) else {
        return value;
    };
    let magic = u32::from_le_bytes([a, b, c, d]);
    if magic & VERSION != VERSION_3 || value.len() != 24 {
        return value;
    }
    let mut portable = value;
    portable.truncate(20);
    portable[..4].copy_from_slice(&((magic & !VERSION) | VERSION_2).to_le_bytes());
    portable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_of_a_namespace_become_portable() {
        let mut v3 = vec![1, 0, 0, 3];
        v3.extend([0, 0x20, 0, 0].into_iter().chain([0; 12]));
        v3.extend([0xe8, 3, 0, 0]);
        let mut v2 = vec![1, 0, 0, 2];
        v2.extend([0, 0x20, 0, 0].into_iter().chain([0; 12]));
        assert_eq!(portable_capability(v3), v2);
        assert_eq!(portable_capability(v2.clone()), v2);
        assert_eq!(portable_capability(vec![3]), [3]);
    }

    #[test]
    fn a_layer_cannot_bring_marks_of_the_overlay() {
        for name in [
            &b"trusted.overlay.opaque"[..],
            b"user.overlay.redirect",
            b"security.selinux",
            b"trusted.x",
        ] {
            assert!(!is_unpacked(name));
        }
        assert!(is_unpacked(b"security.capability"));
        assert!(is_unpacked(b"user.mime_type"));
    }
}
