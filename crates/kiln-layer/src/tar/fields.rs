//! What a main header says, together with the extended ones before it.

use super::error::TarErrorKind;
use super::extended::Extended;
use super::header::{self, Block, Format};
use crate::entry::{Entry, InvalidPath, Kind, MAX_PATH, Time, clean_path};

/// What a header says the entry is, before names and data are looked at.
pub(super) enum RawKind {
    File,
    OldSparse,
    /// GNU's directory with a list of names as data.
    Dump,
    Plain(Kind),
}

pub(super) fn raw_kind(
    block: &Block,
    extended: &Extended,
    name: &[u8],
) -> Result<RawKind, TarErrorKind> {
    Ok(match block[header::TYPE] {
        // Version 7 knows directories by their last slash.
        b'0' | b'\0' if name.ends_with(b"/") && !extended.sparse.present => {
            RawKind::Plain(Kind::Directory)
        }
        b'0' | b'\0' | b'7' => RawKind::File,
        b'S' => RawKind::OldSparse,
        b'D' => RawKind::Dump,
        b'5' => RawKind::Plain(Kind::Directory),
        b'6' => RawKind::Plain(Kind::Fifo),
        b'1' => RawKind::Plain(Kind::Hardlink {
            target: hardlink_target(raw_link(block, extended))?,
        }),
        b'2' => RawKind::Plain(Kind::Symlink {
            target: symlink_target(raw_link(block, extended))?,
        }),
        flag @ (b'3' | b'4') => {
            let major = header::unsigned32(block, header::DEV_MAJOR)?;
            let minor = header::unsigned32(block, header::DEV_MINOR)?;
            RawKind::Plain(match flag {
                b'3' => Kind::Char { major, minor },
                _ => Kind::Block { major, minor },
            })
        }
        flag => return Err(TarErrorKind::Type(flag)),
    })
}

fn hardlink_target(link: Vec<u8>) -> Result<Vec<u8>, TarErrorKind> {
    let reason = match clean_path(&link) {
        Ok(target) if !target.is_empty() => return Ok(target),
        Ok(_) => "it is the root directory",
        Err(InvalidPath::Escapes) => "it has a `..`",
        Err(InvalidPath::TooLong) => "it is too long",
        Err(_) => "it has a NUL byte",
    };
    Err(TarErrorKind::LinkTarget {
        target: link,
        reason,
    })
}

fn symlink_target(link: Vec<u8>) -> Result<Vec<u8>, TarErrorKind> {
    let reason = if link.is_empty() {
        "it is empty"
    } else if link.len() > MAX_PATH {
        "it is too long"
    } else {
        return Ok(link);
    };
    Err(TarErrorKind::LinkTarget {
        target: link,
        reason,
    })
}

pub(super) fn raw_name(block: &Block, extended: &Extended) -> Vec<u8> {
    if let Some(name) = extended.sparse.name.as_ref().or(extended.path.as_ref()) {
        return name.clone();
    }
    let name = header::text(block, header::NAME);
    let mut prefix = match header::format(block) {
        Format::Posix => header::text(block, header::PREFIX),
        Format::Star => header::until_nul(&header::bytes(block, header::PREFIX)[..131]),
        Format::V7 | Format::Gnu => &[],
    };
    if prefix.is_empty() {
        return name.to_vec();
    }
    if prefix.ends_with(b"/") {
        prefix = &prefix[..prefix.len() - 1];
    }
    [prefix, b"/", name].concat()
}

fn raw_link(block: &Block, extended: &Extended) -> Vec<u8> {
    match &extended.link {
        Some(link) => link.clone(),
        None => header::text(block, header::LINK).to_vec(),
    }
}

/// The entry with everything but its kind.
pub(super) fn metadata(
    block: &Block,
    extended: &Extended,
    path: Vec<u8>,
) -> Result<Entry, TarErrorKind> {
    let id = |given: Option<u32>, field| match given {
        Some(id) => Ok(id),
        None => header::unsigned32(block, field),
    };
    let mtime = match extended.mtime {
        Some(time) => time,
        None => Time::from_seconds(header::number(block, header::MTIME)?),
    };
    Ok(Entry {
        path,
        kind: Kind::Directory,
        // Some writers put the file's type into the mode as well.
        mode: (header::number(block, header::MODE)? & 0o7777) as u32,
        uid: id(extended.uid, header::UID)?,
        gid: id(extended.gid, header::GID)?,
        mtime,
        xattrs: extended.xattrs.clone(),
    })
}
