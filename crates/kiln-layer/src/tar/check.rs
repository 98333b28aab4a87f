//! What a tar archive cannot hold.

use super::error::TarErrorKind;
use super::header;
use crate::entry::{Entry, InvalidPath, Kind, MAX_PATH, OPAQUE_NAME, check_path};

/// Refuses an entry that could not be read back as it is.
pub(super) fn check(entry: &Entry) -> Result<(), TarErrorKind> {
    check_path(&entry.path)?;
    if entry.path.is_empty() && !matches!(entry.kind, Kind::Directory | Kind::Opaque) {
        return Err(InvalidPath::NotARoot.into());
    }
    if entry.mode & !0o7777 != 0 {
        return Err(TarErrorKind::Unwritable("the mode has bits above 7777"));
    }
    if entry.mtime.nanos >= 1_000_000_000 {
        return Err(TarErrorKind::Unwritable(
            "the time has a second of nanoseconds",
        ));
    }
    let bad_key = |key: &Vec<u8>| key.is_empty() || key.contains(&b'=') || key.contains(&0);
    if entry.xattrs.keys().any(bad_key) {
        let reason = "an extended attribute's name is empty or has a `=` or NUL";
        return Err(TarErrorKind::Unwritable(reason));
    }
    match &entry.kind {
        // The mark's own name must be one that can be read back.
        Kind::Whiteout | Kind::Opaque if entry.path.len() + OPAQUE_NAME.len() >= MAX_PATH => {
            return Err(InvalidPath::TooLong.into());
        }
        Kind::Hardlink { target } => {
            check_path(target)?;
            if target.is_empty() {
                return Err(TarErrorKind::Unwritable(
                    "a hard link cannot lead to the root",
                ));
            }
        }
        Kind::Symlink { target }
            if target.is_empty() || target.contains(&0) || target.len() > MAX_PATH =>
        {
            let reason = "a symbolic link's target is empty, too long or has a NUL";
            return Err(TarErrorKind::Unwritable(reason));
        }
        Kind::Char { major, minor } | Kind::Block { major, minor } => {
            let fits = |number: u32| header::fits_octal(number.into(), header::DEV_MAJOR.len);
            if !fits(*major) || !fits(*minor) {
                return Err(TarErrorKind::Unwritable("a device number is above 2097151"));
            }
        }
        Kind::File { size } if i64::try_from(*size).is_err() => {
            return Err(TarErrorKind::Size { size: *size });
        }
        _ => {}
    }
    Ok(())
}
