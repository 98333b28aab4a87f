//! Leaving files out of an image, layer by layer.
//!
//! A layer is rewritten only if it brought something that goes. The others stay byte for byte, so they are
//! still shared with other images. The new layer is the difference between two trees that have lost the
//! same paths: what lies below and what the old layer made of it. So links whose first name goes keep
//! their content under the next one, and removals of what is left stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kiln_layer::entry::{join_path, split_path};
use kiln_layer::{InodeId, LayerIndex, Node, Tree, write_difference};
use kiln_oci::{Image, ImageConfig};
use serde::Serialize;

use super::rules::{Matcher, Taker};
use super::{Piece, RULES, RewriteError, Rewriter, Rewritten, history, without_base};

/// What is left out.
#[derive(Clone, Debug)]
pub struct TrimOptions {
    /// Names of [`RULES`].
    pub rules: Vec<String>,
    /// Patterns of paths that go, too: `*` stays within a directory, `**` does not. A directory goes with all
    /// that is in it.
    pub drop: Vec<String>,
    /// Patterns of paths that stay whatever else says.
    pub keep: Vec<String>,
    /// So many of the lowest layers stay as they are: a base that is shared with other images.
    pub keep_layers: usize,
}

impl Default for TrimOptions {
    /// The rules that are on by default.
    fn default() -> Self {
        let rules = RULES.iter().filter(|rule| rule.is_default);
        Self {
            rules: rules.map(|rule| rule.name.to_owned()).collect(),
            drop: vec![],
            keep: vec![],
            keep_layers: 0,
        }
    }
}

/// What one rule took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrimmedBy {
    /// Entries that are gone from layers.
    pub entries: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// A trimmed image.
#[derive(Clone, Debug)]
pub struct Trimmed {
    /// The image.
    pub rewritten: Rewritten,
    /// What each rule took; the person's own patterns are called `pattern`.
    pub by_rule: BTreeMap<String, TrimmedBy>,
    /// Numbers of the layers that were rewritten, from 1, the lowest.
    pub layers: Vec<usize>,
}

impl Rewriter<'_> {
    /// The image without what `options` name. If there is nothing of it, the image stays as it is.
    ///
    /// # Errors
    /// If a pattern or rule is wrong, or layers cannot be read or written.
    pub fn trim(&self, image: &Image, options: &TrimOptions) -> Result<Trimmed, RewriteError> {
        let matcher = Matcher::new(&options.rules, &options.drop, &options.keep)?;
        let indexes = self.indexes(image)?;
        let mut pieces = Piece::all(image);
        let mut by_rule: BTreeMap<String, TrimmedBy> = BTreeMap::new();
        let mut rewritten = vec![];
        let mut full = Tree::new();
        let mut left = Tree::new();
        for (number, index) in indexes.iter().enumerate() {
            self.check()?;
            full.apply(index)?;
            if number < options.keep_layers {
                left.clone_from(&full);
                continue;
            }
            let mut taken = Taken::default();
            let below = left;
            left = full.without(|path, node| {
                let first = options.keep_layers;
                let is_base = node.inode().layer().is_some_and(|layer| layer < first);
                let taker = matcher.taker(path, node.is_directory());
                let taker = taker
                    .filter(|taker| *taker != Taker::Rule("bytecode") || has_source(&full, path));
                // What a layer that stays brought cannot go, nor what holds something that stays.
                let must_stay = is_base
                    || holds_base(node, first)
                    || (node.is_directory() && matcher.keeps_below(&full, path));
                match taker.filter(|_| !must_stay) {
                    Some(taker) => {
                        taken.add(taker, node, number);
                        true
                    }
                    None => false,
                }
            });
            if !taken.concerns(index, &full, number) {
                continue;
            }
            let made = self.write_layer(|out| write_difference(&below, &left, self.store, out))?;
            pieces[number] = Piece::new(&made);
            rewritten.push(number + 1);
            for (taker, sum) in taken.sums {
                let name = match taker {
                    Taker::Pattern => "pattern",
                    Taker::Rule(name) => name,
                };
                let total = by_rule.entry(name.to_owned()).or_default();
                total.entries += sum.entries;
                total.bytes += sum.bytes;
            }
        }
        let rewritten_image = match rewritten.is_empty() {
            true => self.unchanged(image)?,
            false => {
                let steps = history::aligned(&image.config);
                // What an image was built on is told by layers that are still there.
                let annotations = match options.keep_layers {
                    0 => without_base(image),
                    _ => image.manifest.annotations.clone(),
                };
                let change = |config: &mut ImageConfig| config.history = steps;
                self.finish(image, pieces, change, annotations, &left)?
            }
        };
        Ok(Trimmed {
            rewritten: rewritten_image,
            by_rule,
            layers: rewritten,
        })
    }
}

/// Whether the source that byte-code was made of is there: `a/__pycache__/b.cpython-313.pyc` comes of `a/b.py`
/// (PEP 3147), `a/b.pyc` too. Byte-code without source is a program of its own.
fn has_source(tree: &Tree, path: &[u8]) -> bool {
    let Some((directory, name)) = split_path(path) else {
        return false;
    };
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    let source = [stem, b".py"].concat();
    let directory = match split_path(directory) {
        Some((parent, b"__pycache__")) => parent,
        _ => directory,
    };
    tree.get(&join_path(directory, &source)).is_some()
}

/// Whether a directory holds something from the lowest `layers` layers.
fn holds_base(node: Node<'_>, layers: usize) -> bool {
    if layers == 0 {
        return false;
    }
    let mut pending = vec![node];
    while let Some(node) = pending.pop() {
        if node.inode().layer().is_some_and(|layer| layer < layers) {
            return true;
        }
        pending.extend(node.children().map(|(_, child)| child));
    }
    false
}

/// What goes from the tree of one level.
#[derive(Default)]
struct Taken {
    /// What this level's own layer brought of it.
    sums: BTreeMap<Taker, TrimmedBy>,
    inodes: BTreeSet<InodeId>,
    /// Something of this very layer goes.
    is_own: bool,
}

impl Taken {
    fn add(&mut self, taker: Taker, node: Node<'_>, level: usize) {
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            let is_first_name = self.inodes.insert(node.inode());
            if node.inode().layer() == Some(level) {
                self.is_own = true;
                let sum = self.sums.entry(taker).or_default();
                sum.entries += 1;
                sum.bytes += if is_first_name {
                    node.indexed().size()
                } else {
                    0
                };
            }
            pending.extend(node.children().map(|(_, child)| child));
        }
    }

    /// Whether the layer `index`, the topmost of `full`, must be written anew: something of it goes, or it
    /// links to a file from below one of whose names goes.
    fn concerns(&self, index: &Arc<LayerIndex>, full: &Tree, level: usize) -> bool {
        if self.is_own {
            return true;
        }
        let links = index
            .entries
            .iter()
            .filter(|indexed| matches!(indexed.entry.kind, kiln_layer::Kind::Hardlink { .. }));
        let mut inodes = links.filter_map(|indexed| full.get(&indexed.entry.path).map(Node::inode));
        inodes.any(|inode| inode.layer() != Some(level) && self.inodes.contains(&inode))
    }
}
