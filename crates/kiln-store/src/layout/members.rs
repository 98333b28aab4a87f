//! The files in an archive, opened where they lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use kiln_layer::entry::{join_path, split_path};
use kiln_layer::{Dialect, Kind, TarError, TarReader};

use crate::blob::ReadAt;

/// An open tar archive and where in it each file lies.
#[derive(Debug)]
pub(crate) struct Members {
    file: Arc<File>,
    places: BTreeMap<Vec<u8>, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    size: u64,
}

impl Members {
    /// Lists the archive. Links to members before them are followed: old `docker save` archives
    /// link equal layers to each other.
    pub(crate) fn of(file: Arc<File>) -> Result<Self, TarError> {
        let content = ReadAt::start(Arc::clone(&file));
        let mut reader = TarReader::new(content, Dialect::Archive);
        let mut places: BTreeMap<Vec<u8>, Place> = BTreeMap::new();
        while let Some(entry) = reader.next_entry()? {
            let place = match &entry.kind {
                Kind::File { size } if reader.extents().is_empty() => Some(Place {
                    offset: reader.offset(),
                    size: *size,
                }),
                Kind::Hardlink { target } => places.get(target).copied(),
                Kind::Symlink { target } => {
                    let target = link_target(&entry.path, target);
                    target.and_then(|target| places.get(&target).copied())
                }
                _ => None,
            };
            if let Some(place) = place {
                places.insert(entry.path, place);
            }
        }
        Ok(Self { file, places })
    }

    /// Opens a member.
    pub(crate) fn open(&self, name: &str) -> io::Result<io::Take<ReadAt>> {
        let place = self.places.get(name.as_bytes());
        let place = place.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let content = ReadAt {
            file: Arc::clone(&self.file),
            position: place.offset,
        };
        Ok(content.take(place.size))
    }

    /// Bytes of a member, if it is there.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        self.places.get(name.as_bytes()).map(|place| place.size)
    }
}

/// The path that a symbolic link at `path` leads to, if that is in the archive.
fn link_target(path: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut place = split_path(path).map_or(vec![], |(parent, _)| parent.to_vec());
    if target.starts_with(b"/") {
        return None;
    }
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if place.is_empty() => return None,
            b".." => place = split_path(&place).map_or(vec![], |(parent, _)| parent.to_vec()),
            name => place = join_path(&place, name),
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::link_target;

    #[test]
    fn links_are_followed_inside_the_archive_only() {
        let to = |target: &[u8]| link_target(b"a/layer.tar", target);
        assert_eq!(to(b"../b/layer.tar"), Some(b"b/layer.tar".to_vec()));
        assert_eq!(to(b"./other.tar"), Some(b"a/other.tar".to_vec()));
        assert_eq!(to(b"../../etc/passwd"), None);
        assert_eq!(to(b"/etc/passwd"), None);
    }
}
