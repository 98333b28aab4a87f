//! The merged view: what a container sees when layers lie on top of each other, computed from their
//! indexes alone.
//!
//! A tree is a persistent value. Cloning one is free, and applying a layer to a clone copies only
//! the directories that change, so that every step of a build can keep its own.

mod apply;
mod compare;
mod edit;
mod resolve;
mod view;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use kiln_oci::Digest;

use crate::entry::{Entry, Kind, Time};
use crate::index::{IndexEntry, LayerIndex};

pub use apply::TreeError;
pub use resolve::{ResolveError, Resolved};
pub use view::{ViewDifference, first_difference};
pub use walk::{Children, Walk};

/// Layers merged from the lowest up.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Arc<Item>,
    layers: Vec<Arc<LayerIndex>>,
    /// How many directories were made because an entry lacked its parent.
    implicit: u32,
}

/// What identifies a file whatever name it has: hard links share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId {
    layer: u32,
    entry: u32,
}

impl InodeId {
    /// The number of the layer, from below, that brought the file; nothing for a directory that no
    /// layer names.
    #[must_use]
    pub fn layer(self) -> Option<usize> {
        (self.layer != IMPLICIT_LAYER).then_some(self.layer as usize)
    }

    /// The number of the entry in its layer's index; a running number for a directory that no layer
    /// names.
    #[must_use]
    pub fn entry(self) -> usize {
        self.entry as usize
    }
}

/// Stands for the layer of directories that no layer names.
const IMPLICIT_LAYER: u32 = u32::MAX;

/// The metadata of directories that no layer names: those of root, open to all.
static IMPLICIT: IndexEntry = IndexEntry {
    entry: Entry {
        path: Vec::new(),
        kind: Kind::Directory,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Time::from_seconds(0),
        xattrs: BTreeMap::new(),
    },
    content: None,
    offset: 0,
    extents: Vec::new(),
    kept: None,
};

/// The children of a directory by name.
pub(crate) type Names = BTreeMap<Arc<[u8]>, Arc<Item>>;

/// What is at one place of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) inode: InodeId,
    /// The children of a directory; nothing for all else.
    pub(crate) children: Option<Names>,
}

impl Item {
    fn directory(inode: InodeId) -> Self {
        Self {
            inode,
            children: Some(BTreeMap::new()),
        }
    }
}

impl Drop for Item {
    /// Takes the subtree apart without recursion: hostile layers nest thousands of directories.
    fn drop(&mut self) {
        let Some(children) = self.children.as_mut().filter(|map| !map.is_empty()) else {
            return;
        };
        let mut pending = Vec::from_iter(std::mem::take(children).into_values());
        while let Some(item) = pending.pop() {
            if let Some(mut item) = Arc::into_inner(item)
                && let Some(children) = &mut item.children
            {
                pending.extend(std::mem::take(children).into_values());
            }
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A tree of no layers: an empty root directory of mode 0755.
    #[must_use]
    pub fn new() -> Self {
        let root = InodeId {
            layer: IMPLICIT_LAYER,
            entry: 0,
        };
        Self {
            root: Arc::new(Item::directory(root)),
            layers: Vec::new(),
            implicit: 1,
        }
    }

    /// The tree of several layers, the lowest first.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn of<'a>(
        layers: impl IntoIterator<Item = &'a Arc<LayerIndex>>,
    ) -> Result<Self, TreeError> {
        let mut tree = Self::new();
        for layer in layers {
            tree.apply(layer)?;
        }
        Ok(tree)
    }

    /// The layers that were applied, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[Arc<LayerIndex>] {
        &self.layers
    }

    /// What is exactly at `path`, a path in the form of [`Entry::path`]. Symbolic links are not
    /// followed, see [`resolve`](Self::resolve) for that.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<Node<'_>> {
        self.item(path).map(|item| self.node(item))
    }

    /// The whole content of a file that indexes keep, such as `etc/passwd`, found through symbolic
    /// links.
    #[must_use]
    pub fn kept(&self, path: &[u8]) -> Option<&[u8]> {
        self.resolve(path, true).ok()?.node?.kept()
    }

    pub(crate) fn root(&self) -> &Arc<Item> {
        &self.root
    }

    pub(crate) fn item(&self, path: &[u8]) -> Option<&Item> {
        let mut item = &*self.root;
        if path.is_empty() {
            return Some(item);
        }
        for name in path.split(|byte| *byte == b'/') {
            item = item.children.as_ref()?.get(name)?;
        }
        Some(item)
    }

    pub(crate) fn node<'a>(&'a self, item: &'a Item) -> Node<'a> {
        Node { tree: self, item }
    }

    pub(crate) fn indexed(&self, inode: InodeId) -> &IndexEntry {
        match inode.layer() {
            Some(layer) => &self.layers[layer].entries[inode.entry as usize],
            None => &IMPLICIT,
        }
    }
}

/// What is at a place of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    tree: &'a Tree,
    item: &'a Item,
}

impl<'a> Node<'a> {
    /// Kind and metadata. For a hard link these are the file's, and so is the path in it, which may
    /// be another name than the one that led here.
    #[must_use]
    pub fn entry(self) -> &'a Entry {
        &self.indexed().entry
    }

    /// Kind, metadata, content digest and place of the content.
    #[must_use]
    pub fn indexed(self) -> &'a IndexEntry {
        self.tree.indexed(self.item.inode)
    }

    /// The file's identity, shared by its hard links.
    #[must_use]
    pub fn inode(self) -> InodeId {
        self.item.inode
    }

    /// The layer that brought it; nothing for a directory that no layer names.
    #[must_use]
    pub fn layer(self) -> Option<&'a Arc<LayerIndex>> {
        self.item
            .inode
            .layer()
            .map(|layer| &self.tree.layers[layer])
    }

    /// The diff id of the layer that brought it.
    #[must_use]
    pub fn diff_id(self) -> Option<&'a Digest> {
        self.layer().map(|layer| &layer.diff_id)
    }

    /// The digest of a regular file's content.
    #[must_use]
    pub fn content(self) -> Option<&'a Digest> {
        self.indexed().content.as_ref()
    }

    /// The whole content, for the few files that indexes keep.
    #[must_use]
    pub fn kept(self) -> Option<&'a [u8]> {
        self.indexed().kept.as_deref()
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(self) -> bool {
        self.item.children.is_some()
    }

    /// The children of a directory, sorted by name; none for all else.
    #[must_use]
    pub fn children(self) -> Children<'a> {
        Children::new(self.tree, self.item)
    }

    /// Whether this and `other` are one part that two trees share, with all that is below. Of trees that
    /// grew out of each other, what no layer between them touched is shared.
    #[must_use]
    pub fn is_shared_with(self, other: Node<'_>) -> bool {
        std::ptr::eq(self.item, other.item)
    }
}
