//! The bytes of an image as nested areas, for a picture.
//!
//! What a container sees and what it does not see are two areas of their own. Areas too small to be
//! seen are put together, so that the picture of an image with a million files is as light as any.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cause::Cause;
use crate::kinds::kind_of;
use crate::subject::Subject;
use crate::waste::Layering;

/// What is smaller than the whole divided by this is put together with its like.
const FINENESS: u64 = 2_000;

/// How deep areas nest. A path may have two thousand parts; a picture has not.
const DEPTH: usize = 12;

/// A file or directory, or several small ones together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Area {
    /// The last part of its path; empty for several together.
    pub name: String,
    /// Bytes of all that is in it.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
    /// The layer of the largest file in it.
    pub layer: usize,
    /// What the largest file in it could be saved for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What is in it, the largest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<Area>,
}

/// What a container sees, and what it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Treemap {
    /// What it sees.
    pub visible: Area,
    /// What it does not see.
    pub hidden: Area,
}

#[derive(Default)]
struct Sum {
    bytes: u64,
    files: u64,
    largest: u64,
    layer: usize,
    cause: Option<Cause>,
    inside: BTreeMap<Vec<u8>, Sum>,
}

impl Treemap {
    /// Draws up the areas.
    #[must_use]
    pub fn of(subject: &Subject, layering: &Layering) -> Self {
        let (mut visible, mut hidden) = (Sum::default(), Sum::default());
        let mut linked = std::collections::HashSet::new();
        let mut walk = layering.tree.walk(&[]);
        while let Some((path, node)) = walk.advance() {
            let bytes = node.indexed().stored_size();
            let Some(layer) = node.inode().layer().filter(|_| bytes > 0) else {
                continue;
            };
            if layering.names(node.inode()) == 1 || linked.insert(node.inode()) {
                visible.add(path, bytes, layer, kind_of(path));
            }
        }
        for lost in &layering.lost {
            let indexed = &subject.layers[lost.layer].index.entries[lost.entry];
            let bytes = indexed.stored_size();
            if bytes > 0 {
                hidden.add(&indexed.entry.path, bytes, lost.layer, Some(lost.cause));
            }
        }
        let least = (visible.bytes + hidden.bytes) / FINENESS;
        Self {
            visible: visible.area(String::new(), least),
            hidden: hidden.area(String::new(), least),
        }
    }
}

impl Sum {
    fn add(&mut self, path: &[u8], bytes: u64, layer: usize, cause: Option<Cause>) {
        let mut sum = self;
        sum.count(bytes, layer, cause);
        for part in path.split(|byte| *byte == b'/').take(DEPTH) {
            if !sum.inside.contains_key(part) {
                sum.inside.insert(part.to_vec(), Self::default());
            }
            sum = sum.inside.get_mut(part).expect("because it was just made");
            sum.count(bytes, layer, cause);
        }
    }

    fn count(&mut self, bytes: u64, layer: usize, cause: Option<Cause>) {
        self.bytes += bytes;
        self.files += 1;
        if bytes > self.largest {
            (self.largest, self.layer, self.cause) = (bytes, layer, cause);
        }
    }

    fn area(self, name: String, least: u64) -> Area {
        let mut small = Self::default();
        let mut inside = vec![];
        for (name, sum) in self.inside {
            if sum.bytes <= least {
                small.count(sum.bytes, sum.layer, sum.cause);
                small.files += sum.files - 1;
            } else {
                inside.push(sum.area(String::from_utf8_lossy(&name).into_owned(), least));
            }
        }
        if small.files > 0 && !inside.is_empty() {
            inside.push(small.area(String::new(), least));
        }
        inside.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        Area {
            name,
            bytes: self.bytes,
            files: self.files,
            layer: self.layer,
            cause: self.cause,
            inside,
        }
    }
}
