//! From placed entries to a layer: directories before what is in them, sorted by path, so that the same files
//! always give the same layer.
//!
//! One deliberate difference from BuildKit: a directory that is made on the way gets the time of the newest
//! thing below it instead of the clock's, so that two builds of the same files agree.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use kiln_layer::{Kind, LayerWriter, Time};

use super::attributes::Attributes;
use super::place::{PlaceError, Placement, Why};

impl Placement<'_> {
    /// Bytes of all regular files.
    pub(crate) fn total_bytes(&self) -> u64 {
        let sizes = self.entries.values().map(|placed| match placed.entry.kind {
            Kind::File { size } => size,
            _ => 0,
        });
        sizes.sum()
    }

    /// Writes the layer. `time` says what becomes of the times of directories that were made on the way;
    /// `progress` is called with the bytes of each finished file.
    ///
    /// # Errors
    /// If a file cannot be read or the layer cannot be written.
    pub(crate) fn write<W: Write + Send + 'static>(
        mut self,
        out: &mut LayerWriter<W>,
        time: &Attributes,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), PlaceError> {
        self.drop_bare_directories();
        self.date_directories(time);
        self.move_data_to_the_front();
        for placed in self.entries.into_values() {
            let written = match (&placed.source, &placed.entry.kind) {
                (Some((files, from)), Kind::File { size }) => {
                    let mut content = files
                        .open(from)
                        .map_err(|source| files.read_error(from, source))?;
                    let written = out.file(&placed.entry, &mut content).map(drop);
                    progress(*size);
                    written
                }
                _ => out.entry(&placed.entry),
            };
            written.map_err(|error| PlaceError::Write(error.into()))?;
        }
        Ok(())
    }

    /// Takes out directories that the image has as they are and below which nothing changes.
    fn drop_bare_directories(&mut self) {
        let mut needed: HashSet<Vec<u8>> = HashSet::new();
        let mut bare = vec![];
        for (path, placed) in self.entries.iter().rev() {
            if placed.why == Why::Unchanged && !needed.contains(path) {
                bare.push(path.clone());
            } else if let Some(parent) = parent(path) {
                needed.insert(parent.to_vec());
            }
        }
        for path in bare {
            self.entries.remove(&path);
        }
    }

    fn date_directories(&mut self, time: &Attributes) {
        let on_the_way = |path: &[u8]| {
            self.entries
                .get(path)
                .is_some_and(|placed| placed.why == Why::OnTheWay)
        };
        let mut newest: HashMap<Vec<u8>, Time> = HashMap::new();
        for (path, placed) in &self.entries {
            if placed.why == Why::OnTheWay {
                continue;
            }
            let mut below = &path[..];
            while let Some(directory) = parent(below).filter(|directory| on_the_way(directory)) {
                let best = newest
                    .entry(directory.to_vec())
                    .or_insert(placed.entry.mtime);
                *best = (*best).max(placed.entry.mtime);
                below = directory;
            }
        }
        for (path, placed) in &mut self.entries {
            if placed.why == Why::OnTheWay {
                placed.entry.mtime = newest.get(path).copied().unwrap_or_default();
                time.apply_time(&mut placed.entry);
            }
        }
    }

    /// Of the names of one file, the one that comes first in the archive carries the data, whichever was
    /// copied first.
    fn move_data_to_the_front(&mut self) {
        let mut first: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        for (path, placed) in &self.entries {
            if let Kind::Hardlink { target } = &placed.entry.kind {
                let best = first.entry(target.clone()).or_insert_with(|| path.clone());
                if *path < *best {
                    best.clone_from(path);
                }
            }
        }
        first.retain(|target, name| name.as_slice() < target.as_slice());
        for (target, name) in &first {
            let Some(data) = self.entries.get_mut(target) else {
                continue;
            };
            let (kind, source) = (data.entry.kind.clone(), data.source.take());
            data.entry.kind = Kind::Hardlink {
                target: name.clone(),
            };
            if let Some(now_first) = self.entries.get_mut(name) {
                now_first.entry.kind = kind;
                now_first.source = source;
            }
        }
        for placed in self.entries.values_mut() {
            if let Kind::Hardlink { target } = &mut placed.entry.kind
                && let Some(name) = first.get(target)
            {
                target.clone_from(name);
            }
        }
    }
}

/// The directory that holds `path`; none for what is in the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter()
        .rposition(|byte| *byte == b'/')
        .map(|slash| &path[..slash])
}
