//! Which bytes of the layers no container sees, and which layer made it so.
//!
//! The layers are laid over each other one by one. A file of a lower layer is lost once none of its
//! names is left; what happened at its last name is the cause. So hard links, whiteouts, opaque
//! directories and directories that become files count as what they do, whatever the order of the
//! archive. Everything stored is either visible in the end or lost exactly once.

use std::collections::HashSet;
use std::sync::Arc;

use kiln_layer::entry::split_path;
use kiln_layer::{InodeId, Kind, LayerIndex, Node, Tree, TreeError};

use crate::cause::Cause;

/// A file that is stored and visible in no container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The number of the layer that stores it, from below.
    pub layer: usize,
    /// The number of its entry there.
    pub entry: usize,
    /// The number of the layer that hides it.
    pub by: usize,
    /// How.
    pub cause: Cause,
}

/// What a container sees, and what it does not.
#[derive(Clone, Debug)]
pub struct Layering {
    /// All layers merged.
    pub tree: Tree,
    /// The files that are lost, in the order of the layers that hide them.
    pub lost: Vec<Lost>,
    /// How many names each entry of each layer has in the merged tree. A directory has none.
    names: Vec<Vec<u32>>,
}

impl Layering {
    /// Lays `layers` over each other, the lowest first.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn of(layers: &[Arc<LayerIndex>]) -> Result<Self, TreeError> {
        let names = layers.iter().map(|layer| vec![0; layer.entries.len()]);
        let mut layering = Self {
            tree: Tree::new(),
            lost: vec![],
            names: names.collect(),
        };
        for (number, layer) in layers.iter().enumerate() {
            layering.lay(number, layer)?;
        }
        Ok(layering)
    }

    /// How many names the file has in the merged tree.
    #[must_use]
    pub fn names(&self, inode: InodeId) -> u32 {
        let layer = inode.layer().and_then(|layer| self.names.get(layer));
        let names = layer.and_then(|names| names.get(inode.entry()));
        names.copied().unwrap_or_default()
    }

    fn lay(&mut self, number: usize, layer: &Arc<LayerIndex>) -> Result<(), TreeError> {
        let before = self.tree.clone();
        self.tree.apply(layer)?;
        let (names, after) = (&mut self.names, &self.tree);
        let marks = Marks::of(layer);
        let mut losing: Vec<(usize, usize, Cause)> = vec![];
        before.compare(after, |path, old, new| {
            if let Some((layer, entry)) = new.and_then(place) {
                names[layer][entry] += 1;
            }
            if let Some((old, (layer, entry))) = old.and_then(|old| Some((old, place(old)?))) {
                names[layer][entry] -= 1;
                if names[layer][entry] == 0 {
                    losing.push((layer, entry, marks.cause(path, old, new, after)));
                }
            }
        });
        // The same layer may have given the file another name.
        losing.retain(|(layer, entry, _)| names[*layer][*entry] == 0);
        let lost = losing.into_iter().map(|(layer, entry, cause)| Lost {
            layer,
            entry,
            by: number,
            cause,
        });
        self.lost.extend(lost);
        // Of two entries of one layer with the same path only the last one counts.
        let entries = layer.entries.iter().zip(&names[number]).enumerate();
        let shadowed = entries.filter(|(_, (indexed, names))| {
            **names == 0 && matches!(indexed.entry.kind, Kind::File { .. })
        });
        self.lost.extend(shadowed.map(|(entry, _)| Lost {
            layer: number,
            entry,
            by: number,
            cause: Cause::Overwritten,
        }));
        Ok(())
    }
}

/// Where a file's entry is; nothing for a directory.
fn place(node: Node<'_>) -> Option<(usize, usize)> {
    let inode = node.inode();
    let layer = inode.layer().filter(|_| !node.is_directory())?;
    Some((layer, inode.entry()))
}

/// What a layer says is gone.
struct Marks<'a> {
    whiteouts: HashSet<&'a [u8]>,
    opaque: HashSet<&'a [u8]>,
}

impl<'a> Marks<'a> {
    fn of(layer: &'a LayerIndex) -> Self {
        let of_kind = |kind: &Kind| {
            let entries = layer.entries.iter().map(|indexed| &indexed.entry);
            let marks = entries.filter(|entry| entry.kind == *kind);
            marks.map(|entry| &entry.path[..]).collect()
        };
        Self {
            whiteouts: of_kind(&Kind::Whiteout),
            opaque: of_kind(&Kind::Opaque),
        }
    }

    /// Why `old` is no longer at `path`.
    fn cause(&self, path: &[u8], old: Node<'_>, new: Option<Node<'_>>, after: &Tree) -> Cause {
        if let Some(new) = new {
            let content = old.content().filter(|_| old.indexed().size() > 0);
            return match content.is_some() && content == new.content() {
                true => Cause::MetadataOnly,
                false => Cause::Overwritten,
            };
        }
        if self.whiteouts.contains(path) {
            return Cause::Removed;
        }
        let mut place = path;
        while let Some((parent, _)) = split_path(place) {
            if self.whiteouts.contains(parent) {
                return Cause::RemovedDirectory;
            }
            if self.opaque.contains(parent) {
                return Cause::Opaque;
            }
            if after.get(parent).is_some_and(|node| !node.is_directory()) {
                return Cause::Overwritten;
            }
            place = parent;
        }
        // The mark stands under another name, through a link.
        Cause::Removed
    }
}
