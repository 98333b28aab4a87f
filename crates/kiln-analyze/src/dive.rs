//! dive's two numbers, for gates that are set up for them.
//!
//! Facts, from dive 0.13 (`dive/filetree/efficiency.go`) and compared with the program itself: every
//! leaf of every layer's own tree counts under its path. The score is the sum of the smallest size of
//! each path over the sum of all sizes; wasted are all sizes of each path that occurs at least twice. So a
//! file that is only given another mode counts twice, and what is removed with its directory does
//! not count at all; [`analyze`](crate::analyze) says better. Odd as they are, the numbers are reproduced
//! to the byte:
//!
//! - opaque marks hide nothing, but their directory counts as named by nobody;
//! - a whiteout of a directory weighs what that directory held, one of a file nothing;
//! - a directory that becomes a file keeps its children, in dive's view, until it is removed;
//! - a directory that a layer does not name, though it holds something in it, counts as no directory;
//! - a whiteout of something that is not there ends the count of that layer.

pub mod gate;

use std::collections::{BTreeMap, HashMap};

use kiln_layer::{Kind, LayerIndex};
use serde::Serialize;

use crate::subject::Subject;

/// What dive says of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiveNumbers {
    /// `efficiencyScore`, from 0 to 1.
    pub efficiency: f64,
    /// `inefficientBytes`.
    pub wasted_bytes: u64,
    /// Wasted bytes over the bytes of all layers but the lowest. Not a number, or infinite, if those have none.
    pub user_wasted_ratio: f64,
    /// `sizeBytes`: bytes of the files of all layers.
    pub size_bytes: u64,
    /// The paths that waste, the most bytes first.
    pub files: Vec<DiveFile>,
}

/// A path that occurs in several layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiveFile {
    /// How often.
    pub count: u32,
    /// Bytes of all of them together.
    pub bytes: u64,
    /// The path, with a slash in front.
    pub path: String,
}

/// Computes the numbers.
#[must_use]
pub fn numbers(subject: &Subject) -> DiveNumbers {
    let layers = subject.layers.iter().map(|layer| &*layer.index);
    of_layers(&layers.collect::<Vec<_>>())
}

/// A node as dive keeps it: the facts of a path can change while its children stay.
#[derive(Default)]
struct Node {
    bytes: u64,
    is_directory: bool,
    /// By name; a whiteout has its prefix.
    children: BTreeMap<Vec<u8>, Node>,
}

/// What is known of a path.
struct Seen {
    /// The smallest size; `None` counts as minus one, as in dive.
    least: Option<u64>,
    bytes: u64,
    count: u32,
}

const WHITEOUT: &[u8] = b".wh.";

fn of_layers(layers: &[&LayerIndex]) -> DiveNumbers {
    let mut seen: HashMap<Vec<u8>, Seen> = HashMap::new();
    let mut stack = Node::default();
    let mut sizes = vec![];
    for (number, layer) in layers.iter().enumerate() {
        let tree = Node::of(layer);
        sizes.push(
            layer
                .entries
                .iter()
                .map(kiln_layer::IndexEntry::size)
                .sum::<u64>(),
        );
        if number == 0 {
            // The lowest layer's whiteouts are looked up in the layer itself.
            stack.lay_over(&tree, true);
        }
        tree.count(&stack, &mut Vec::new(), &mut seen);
        stack.lay_over(&tree, false);
    }
    let least = seen.values().map(|path| path.least.map_or(-1, i128::from));
    let (least, all): (i128, i128) = (
        least.sum(),
        seen.values().map(|path| i128::from(path.bytes)).sum(),
    );
    let wasting = seen.into_iter().filter(|(_, path)| path.count >= 2);
    let mut files: Vec<DiveFile> = wasting
        .map(|(path, seen)| DiveFile {
            count: seen.count,
            bytes: seen.bytes,
            path: format!("/{}", String::from_utf8_lossy(&path)),
        })
        .collect();
    files.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    let wasted_bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let user_bytes: u64 = sizes.iter().skip(1).sum();
    #[expect(clippy::cast_precision_loss, reason = "dive divides floats, too")]
    let (efficiency, user_wasted_ratio) = (
        match all {
            0 => 1.0,
            all => least as f64 / all as f64,
        },
        wasted_bytes as f64 / user_bytes as f64,
    );
    DiveNumbers {
        efficiency,
        wasted_bytes,
        user_wasted_ratio,
        size_bytes: sizes.iter().sum(),
        files,
    }
}

impl Node {
    fn of(layer: &LayerIndex) -> Self {
        let mut root = Self::default();
        for indexed in &layer.entries {
            let entry = &indexed.entry;
            if entry.path.is_empty() {
                continue;
            }
            let mut node = &mut root;
            let mut parts = entry.path.split(|byte| *byte == b'/').peekable();
            while let Some(part) = parts.next() {
                let name = match parts.peek().is_none() && entry.kind == Kind::Whiteout {
                    true => [WHITEOUT, part].concat(),
                    false => part.to_vec(),
                };
                node = node.children.entry(name).or_default();
            }
            // The mark itself is dropped, after its directory was made.
            if entry.kind == Kind::Opaque {
                continue;
            }
            node.bytes = indexed.size();
            node.is_directory = entry.kind == Kind::Directory;
        }
        root
    }

    /// Lays a layer over this. `as_is` keeps whiteouts as files of their own.
    fn lay_over(&mut self, layer: &Self, as_is: bool) {
        // Depth is bounded by the longest path, 2,048 names.
        for (name, child) in &layer.children {
            match name.strip_prefix(WHITEOUT).filter(|_| !as_is) {
                Some(victim) => drop(self.children.remove(victim)),
                None => {
                    let mine = self.children.entry(name.clone()).or_default();
                    mine.lay_over(child, as_is);
                    mine.bytes = child.bytes;
                    mine.is_directory = child.is_directory;
                }
            }
        }
    }

    /// Counts the leaves. False once dive gives up on the layer.
    fn count(
        &self,
        below: &Self,
        path: &mut Vec<Vec<u8>>,
        seen: &mut HashMap<Vec<u8>, Seen>,
    ) -> bool {
        self.children.iter().all(|(name, child)| {
            path.push(name.clone());
            let goes_on = match child.children.is_empty() {
                true => child.count_leaf(below, path, seen),
                false => child.count(below, path, seen),
            };
            path.pop();
            goes_on
        })
    }

    fn count_leaf(
        &self,
        below: &Self,
        path: &mut [Vec<u8>],
        seen: &mut HashMap<Vec<u8>, Seen>,
    ) -> bool {
        let name = path.last().expect("because the root is no leaf");
        let victim = name.strip_prefix(WHITEOUT).map(<[u8]>::to_vec);
        let is_whiteout = victim.is_some();
        let (last, parents) = path.split_last().expect("because the root is no leaf");
        let last = victim.unwrap_or_else(|| last.clone());
        let mut full = parents.join(&b'/');
        if !parents.is_empty() {
            full.push(b'/');
        }
        full.extend_from_slice(&last);
        let seen = seen.entry(full).or_insert(Seen {
            least: None,
            bytes: 0,
            count: 0,
        });
        let bytes = match is_whiteout {
            false => self.bytes,
            true => {
                let parent = parents
                    .iter()
                    .try_fold(below, |node, name| node.children.get(name));
                match parent.and_then(|parent| parent.children.get(&last)) {
                    None => return false,
                    Some(victim) if victim.is_directory => victim.total(),
                    Some(_) => 0,
                }
            }
        };
        seen.bytes += bytes;
        seen.least = Some(seen.least.map_or(bytes, |least| least.min(bytes)));
        seen.count += 1;
        true
    }

    fn total(&self) -> u64 {
        let children = self.children.values().map(Self::total);
        self.bytes + children.sum::<u64>()
    }
}
