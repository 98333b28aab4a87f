//! `.wh.` names in layers.
//!
//! Source: OCI image specification, "layer.md", section "Whiteouts".

use super::error::TarErrorKind;
use crate::entry::{Entry, Kind, OPAQUE_NAME, WHITEOUT_PREFIX, join_path, split_path};

/// Gives `.wh.` names their meaning; nothing for AUFS's own files.
pub(super) fn in_layer(mut entry: Entry) -> Result<Option<Entry>, TarErrorKind> {
    let Some((parent, name)) = split_path(&entry.path) else {
        return Ok(Some(entry));
    };
    let aufs = |name: &[u8]| name.starts_with(b".wh..wh.");
    if entry.path.split(|byte| *byte == b'/').any(aufs) {
        if name != OPAQUE_NAME || parent.split(|byte| *byte == b'/').any(aufs) {
            return Ok(None);
        }
        entry.path = parent.to_vec();
        entry.kind = Kind::Opaque;
        entry.xattrs.clear();
        return Ok(Some(entry));
    }
    if parent
        .split(|byte| *byte == b'/')
        .any(|name| name.starts_with(WHITEOUT_PREFIX))
    {
        return Err(TarErrorKind::Whiteout("something lies below a whiteout"));
    }
    if let Kind::Hardlink { target } = &entry.kind
        && split_path(target).is_some_and(|(_, name)| name.starts_with(WHITEOUT_PREFIX))
        && !name.starts_with(WHITEOUT_PREFIX)
    {
        return Err(TarErrorKind::Whiteout("a hard link leads to a whiteout"));
    }
    let Some(victim) = name.strip_prefix(WHITEOUT_PREFIX) else {
        return Ok(Some(entry));
    };
    if matches!(victim, b"" | b"." | b"..") {
        return Err(TarErrorKind::Whiteout("a whiteout has no victim"));
    }
    entry.path = join_path(parent, victim);
    entry.kind = Kind::Whiteout;
    entry.xattrs.clear();
    Ok(Some(entry))
}
