//! Squashing: one layer that does what several do.
//!
//! Files are told apart by inode, not by name, so hard links stay what they were even when the name
//! that first carried the content is gone. The new layer is self-contained: every entry's parents
//! are in it, and if a file is in it, all its names are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use crate::content::ContentAt;
use crate::entry::{Entry, Kind, join_path, split_path};
use crate::index::LayerIndex;
use crate::single_pass::{LayerError, LayerWriter};
use crate::tree::{InodeId, Item, Node, Tree, TreeError};

/// Why layers could not be squashed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SquashError {
    /// The layers do not fit together.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The new layer could not be written.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A file's content could not be had.
    #[error("the content of `{path}` from layer {layer} cannot be read: {source}")]
    Content {
        /// The file's path.
        path: String,
        /// The diff id of the layer that it comes from.
        layer: String,
        /// What failed.
        source: std::io::Error,
    },
    /// A file's content is not what its layer's index says: the store is damaged.
    #[error(
        "the content of `{path}` from layer {layer} has another digest than when it was stored"
    )]
    Changed {
        /// The file's path.
        path: String,
        /// The diff id of the layer that it comes from.
        layer: String,
    },
}

/// Writes to `out` the one layer that, laid over `base`, gives what `layers` give, and returns the
/// tree that they give. Without a base nothing lies below, and the layer has no whiteouts.
///
/// # Errors
/// When the layers do not fit together, content cannot be had, or `out` fails.
pub fn squash<W: Write + Send + 'static>(
    base: Option<&Tree>,
    layers: &[Arc<LayerIndex>],
    content: &dyn ContentAt,
    out: &mut LayerWriter<W>,
) -> Result<Tree, SquashError> {
    let base = base.cloned().unwrap_or_default();
    let mut merged = base.clone();
    for layer in layers {
        merged.apply(layer)?;
    }
    write_difference(&base, &merged, content, out)?;
    Ok(merged)
}

/// Writes to `out` the layer that, laid over `below`, gives `above`.
///
/// Both trees must come of one line: `above` has the layers of `below` and more, or either is such a
/// tree [without](Tree::without) some of its paths. What the two share is recognized by inode, not by
/// content, so files that are the same in both are never read.
///
/// # Errors
/// When content cannot be had or `out` fails.
pub fn write_difference<W: Write + Send + 'static>(
    below: &Tree,
    above: &Tree,
    content: &dyn ContentAt,
    out: &mut LayerWriter<W>,
) -> Result<(), SquashError> {
    let mut plan = Plan::default();
    plan.compare(below, above);
    plan.add_other_names(above, below.layers().len());
    plan.add_parents();
    plan.write(above, content, out)
}

/// A path whose components are sorted one by one: parents before children, `a/b` before `a-b`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TreePath(Vec<u8>);

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let slash = |byte: &u8| *byte == b'/';
        let (mut left, mut right) = (self.0.split(slash), other.0.split(slash));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return std::cmp::Ordering::Equal,
                (left, right) if left != right => return left.cmp(&right),
                _ => {}
            }
        }
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What the new layer says at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    /// What the merged tree has there.
    Entry,
    /// That it is gone.
    Gone,
}

/// What the new layer will hold, in order.
#[derive(Default)]
struct Plan(BTreeMap<TreePath, Say>);

impl Plan {
    /// Finds the differences. Directories that the layers did not touch are shared between the two
    /// trees and left out whole.
    fn compare(&mut self, base: &Tree, merged: &Tree) {
        let (before, after) = (base.root(), merged.root());
        if before.inode != after.inode {
            self.say(&[], Say::Entry);
        }
        let mut pending = vec![(Vec::new(), Some(&**before), &**after)];
        while let Some((path, before, after)) = pending.pop() {
            self.compare_children(&path, before, after, &mut pending);
        }
    }

    fn compare_children<'a>(
        &mut self,
        path: &[u8],
        before: Option<&'a Item>,
        after: &'a Item,
        pending: &mut Vec<(Vec<u8>, Option<&'a Item>, &'a Item)>,
    ) {
        let old = before.and_then(|item| item.children.as_ref());
        let new = after.children.as_ref();
        for name in old.into_iter().flat_map(BTreeMap::keys) {
            if new.is_none_or(|new| !new.contains_key(name)) {
                self.say(&join_path(path, name), Say::Gone);
            }
        }
        for (name, item) in new.into_iter().flatten() {
            let before = old.and_then(|old| old.get(name));
            if before.is_some_and(|before| Arc::ptr_eq(before, item)) {
                continue;
            }
            let child = join_path(path, name);
            if before.is_none_or(|before| before.inode != item.inode) {
                self.say(&child, Say::Entry);
            }
            if item.children.is_some() {
                pending.push((child, before.map(|before| &**before), item));
            }
        }
    }

    fn say(&mut self, path: &[u8], say: Say) {
        self.0.insert(TreePath(path.to_vec()), say);
    }

    /// A new name of a file from below: the file's other names come along, or the link would be cut
    /// by whatever unpacks the layer for itself.
    fn add_other_names(&mut self, merged: &Tree, base_layers: usize) {
        let from_below = |inode: InodeId| inode.layer().is_some_and(|layer| layer < base_layers);
        let said = self.0.iter().filter(|(_, say)| **say == Say::Entry);
        let nodes = said.filter_map(|(path, _)| merged.get(&path.0));
        let files = nodes.filter(|node| !node.is_directory());
        let inodes = files.map(Node::inode).filter(|inode| from_below(*inode));
        let inodes: HashSet<InodeId> = inodes.collect();
        if inodes.is_empty() {
            return;
        }
        let mut walk = merged.walk(&[]);
        while let Some((path, node)) = walk.advance() {
            if !node.is_directory() && inodes.contains(&node.inode()) {
                self.say(path, Say::Entry);
            }
        }
    }

    fn add_parents(&mut self) {
        let mut parents = BTreeSet::new();
        for path in self.0.keys() {
            let mut path = &path.0[..];
            while let Some((parent, _)) = split_path(path) {
                if parent.is_empty() || !parents.insert(parent.to_vec()) {
                    break;
                }
                path = parent;
            }
        }
        for parent in parents {
            self.say(&parent, Say::Entry);
        }
    }

    fn write<W: Write + Send + 'static>(
        &self,
        merged: &Tree,
        content: &dyn ContentAt,
        out: &mut LayerWriter<W>,
    ) -> Result<(), SquashError> {
        let mut names: HashMap<InodeId, &[u8]> = HashMap::new();
        for (TreePath(path), say) in &self.0 {
            if *say == Say::Gone {
                out.entry(&Entry::whiteout(&path[..]))?;
                continue;
            }
            let node = merged.get(path).expect("because the plan was made of it");
            let mut entry = node.entry().clone();
            entry.path.clone_from(path);
            if !node.is_directory() {
                // The link keeps owner and attributes: containerd sets a link's owner, which clears
                // the file's capabilities, and then those attributes that the link's entry has.
                if let Some(first) = names.get(&node.inode()) {
                    entry.kind = Kind::Hardlink {
                        target: first.to_vec(),
                    };
                } else {
                    names.insert(node.inode(), path);
                }
            }
            match entry.kind {
                Kind::File { size: 1.. } => write_file(&entry, node, content, out)?,
                _ => out.entry(&entry)?,
            }
        }
        Ok(())
    }
}

fn write_file<W: Write + Send + 'static>(
    entry: &Entry,
    node: Node<'_>,
    content: &dyn ContentAt,
    out: &mut LayerWriter<W>,
) -> Result<(), SquashError> {
    let layer = node.diff_id().expect("because only layers have files");
    let path = || entry.display_path().into_owned();
    let opened = content.open_at(layer, node.indexed());
    let mut reader = opened.map_err(|source| SquashError::Content {
        path: path(),
        layer: layer.to_string(),
        source,
    })?;
    let digest = out.file(entry, &mut reader)?;
    if node.content().is_some_and(|expected| *expected != digest) {
        return Err(SquashError::Changed {
            path: path(),
            layer: layer.to_string(),
        });
    }
    Ok(())
}
