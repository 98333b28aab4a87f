//! One digest for all that a walk found, so that an unchanged directory is known as such at once.

use kiln_layer::Kind;
use kiln_oci::{Digest, Hasher};

use super::memo::is_settled;
use super::{State, Walk};

/// Bytes that are hashed at a time.
const BUFFER: usize = 64 << 10;

pub(super) fn fingerprint(walk: &Walk) -> Option<Digest> {
    let is_young = |state: &State| state.is_file && !is_settled(&state.stamp, walk.began);
    if walk.states.iter().any(is_young) {
        return None;
    }
    let mut hasher = Hasher::sha256();
    let mut buffer = Vec::with_capacity(BUFFER + 8192);
    for (entry, state) in walk.entries.iter().zip(&walk.states) {
        let bytes = |buffer: &mut Vec<u8>, bytes: &[u8]| {
            buffer.extend((bytes.len() as u64).to_le_bytes());
            buffer.extend(bytes);
        };
        bytes(&mut buffer, &entry.path);
        bytes(&mut buffer, entry.kind.name().as_bytes());
        buffer.extend(entry.mode.to_le_bytes());
        match &entry.kind {
            Kind::Symlink { target } | Kind::Hardlink { target } => bytes(&mut buffer, target),
            Kind::Char { major, minor } | Kind::Block { major, minor } => {
                buffer.extend(major.to_le_bytes());
                buffer.extend(minor.to_le_bytes());
            }
            _ => {}
        }
        if state.is_file {
            let stamp = &state.stamp;
            for number in [stamp.device, stamp.inode, stamp.size] {
                buffer.extend(number.to_le_bytes());
            }
            buffer.extend(stamp.mtime.to_le_bytes());
            buffer.extend(stamp.ctime.to_le_bytes());
        }
        if buffer.len() >= BUFFER {
            hasher.update(&buffer);
            buffer.clear();
        }
    }
    hasher.update(&buffer);
    Some(hasher.finish())
}
