//! Laying a layer over a tree.
//!
//! Source: OCI image specification, "layer.md", sections "Applying Changesets", "Whiteouts" and
//! "Opaque Whiteout". Removals count for lower layers only, wherever in the archive they stand; the
//! other entries count in order, so that of two with one path the last one stays. Where an entry's
//! parent is a symbolic link, the entry goes to where it leads, as it does when a layer is unpacked
//! over those below it.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::sync::Arc;

use super::{IMPLICIT_LAYER, InodeId, Item, Names, ResolveError, Tree};
use crate::entry::{Entry, Kind, MAX_PATH, split_path};
use crate::index::{IndexEntry, LayerIndex};

/// A layer that does not fit the tree below it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The directory that should hold the entry cannot be reached.
    #[error("`{path}` of layer {layer} has no place")]
    Parent {
        /// The layer's number from below, from 0.
        layer: usize,
        /// The entry's path.
        path: String,
        /// What is in the way.
        #[source]
        source: ResolveError,
    },
    /// A hard link to what is not there, or to a directory.
    #[error("`{path}` of layer {layer} is a hard link to `{target}`, {reason}")]
    LinkTarget {
        /// The layer's number from below, from 0.
        layer: usize,
        /// The entry's path.
        path: String,
        /// The link's target.
        target: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Through links, the entry would lie deeper than a path can say.
    #[error("`{path}` of layer {layer} leads to a path of more than {MAX_PATH} bytes")]
    TooLong {
        /// The layer's number from below, from 0.
        layer: usize,
        /// The entry's path.
        path: String,
    },
    /// More layers or entries than the tree can number.
    #[error("layer {layer} is one too many, or has too many entries")]
    TooMany {
        /// The layer's number from below, from 0.
        layer: usize,
    },
}

impl Tree {
    /// Lays `layer` over the tree.
    ///
    /// # Errors
    /// When an entry has no place or a hard link no target. The tree is then as it was before.
    pub fn apply(&mut self, layer: &Arc<LayerIndex>) -> Result<(), TreeError> {
        let before = (Arc::clone(&self.root), self.implicit);
        let number = self.layers.len();
        self.layers.push(Arc::clone(layer));
        let result = self.lay_over(layer, number);
        if result.is_err() {
            self.layers.pop();
            (self.root, self.implicit) = before;
        }
        result
    }

    fn lay_over(&mut self, layer: &LayerIndex, number: usize) -> Result<(), TreeError> {
        let fits = |number: usize| u32::try_from(number).ok().filter(|n| *n != IMPLICIT_LAYER);
        let too_many = TreeError::TooMany { layer: number };
        let ordinal = fits(number).ok_or(too_many.clone())?;
        fits(layer.entries.len()).ok_or(too_many)?;
        self.remove(layer);
        let mut next = 0;
        while next < layer.entries.len() {
            next = self.insert_some(layer, next, ordinal)?;
        }
        Ok(())
    }

    /// Takes away what the layer's whiteouts and opaque marks name.
    fn remove(&mut self, layer: &LayerIndex) {
        // Links that the layer itself replaces are not followed. Few layers need to know theirs.
        let own = LazyCell::new(|| {
            let own = layer.entries.iter().map(|indexed| &indexed.entry);
            let own = own.filter(|entry| !entry.kind.is_removal());
            own.map(|entry| &entry.path[..]).collect::<HashSet<_>>()
        });
        let follow = |link: &[u8]| !own.contains(link);
        for IndexEntry { entry, .. } in &layer.entries {
            match entry.kind {
                Kind::Whiteout => {
                    let Some((parent, name)) = split_path(&entry.path) else {
                        continue;
                    };
                    let Some(parent) = self.resolve_below(parent, follow) else {
                        continue;
                    };
                    let children = self.item(&parent).and_then(|item| item.children.as_ref());
                    if children.is_some_and(|children| children.contains_key(name)) {
                        self.children_mut(&parent).remove(name);
                    }
                }
                Kind::Opaque => {
                    let Some(path) = self.resolve_below(&entry.path, follow) else {
                        continue;
                    };
                    let children = self.item(&path).and_then(|item| item.children.as_ref());
                    if children.is_some_and(|children| !children.is_empty()) {
                        self.children_mut(&path).clear();
                    }
                }
                _ => {}
            }
        }
    }

    /// Puts in the entry at `first`, and those after it that go into the same directory, which is
    /// looked for only once. Gives the index of the next entry to put in.
    fn insert_some(
        &mut self,
        layer: &LayerIndex,
        first: usize,
        ordinal: u32,
    ) -> Result<usize, TreeError> {
        let inode = |index: usize| InodeId {
            layer: ordinal,
            entry: index as u32,
        };
        let entry = &layer.entries[first].entry;
        if entry.kind.is_removal() {
            return Ok(first + 1);
        }
        let Some((parent, _)) = split_path(&entry.path) else {
            Arc::make_mut(&mut self.root).inode = inode(first);
            return Ok(first + 1);
        };
        let place = self.place_for(entry, parent, ordinal)?;
        let mut linked = match &entry.kind {
            Kind::Hardlink { target } => Some(self.linked(entry, target, ordinal)?),
            _ => None,
        };
        let children = self.children_mut(&place);
        let mut next = first;
        while let Some(IndexEntry { entry, .. }) = layer.entries.get(next) {
            let is_link = matches!(entry.kind, Kind::Hardlink { .. });
            let name = match split_path(&entry.path) {
                Some((directory, name)) if directory == parent && !entry.kind.is_removal() => name,
                _ => break,
            };
            if is_link && next != first {
                break;
            }
            if place.len() + 1 + name.len() > MAX_PATH {
                return Err(TreeError::TooLong {
                    layer: ordinal as usize,
                    path: entry.display_path().into_owned(),
                });
            }
            let inode = linked.take().unwrap_or(inode(next));
            let replaced = put(children, name, inode, entry.kind == Kind::Directory);
            next += 1;
            if replaced {
                // It may have been a link through which this very directory was found.
                break;
            }
        }
        Ok(next)
    }

    /// The path, without links, of the directory that is or is to be at `parent`.
    fn place_for(&self, entry: &Entry, parent: &[u8], ordinal: u32) -> Result<Vec<u8>, TreeError> {
        let resolved = self.resolve(parent, true).and_then(|resolved| {
            let in_the_way = resolved.node.is_some_and(|node| !node.is_directory());
            if in_the_way {
                return Err(ResolveError::NotADirectory {
                    path: String::from_utf8_lossy(parent).into_owned(),
                    at: String::from_utf8_lossy(&resolved.path).into_owned(),
                });
            }
            Ok(resolved.path)
        });
        resolved.map_err(|source| TreeError::Parent {
            layer: ordinal as usize,
            path: entry.display_path().into_owned(),
            source,
        })
    }

    /// The file at `target`, which gets another name. Links in the target's directory are followed,
    /// its own is not: a symbolic link can have several names, too.
    fn linked(&self, entry: &Entry, target: &[u8], ordinal: u32) -> Result<InodeId, TreeError> {
        let error = |reason| TreeError::LinkTarget {
            layer: ordinal as usize,
            path: entry.display_path().into_owned(),
            target: String::from_utf8_lossy(target).into_owned(),
            reason,
        };
        let found = self
            .resolve(target, false)
            .ok()
            .and_then(|found| found.node);
        let found = found.ok_or_else(|| error("which is not there"))?;
        if found.is_directory() {
            return Err(error("which is a directory"));
        }
        Ok(found.inode())
    }

    /// The children of the directory at `path`, to be changed. What is missing on the way is made.
    /// Everything on the way is a directory or missing.
    pub(super) fn children_mut(&mut self, path: &[u8]) -> &mut Names {
        let mut item = Arc::make_mut(&mut self.root);
        let names = path.split(|byte| *byte == b'/');
        for name in names.filter(|name| !name.is_empty()) {
            let children = item.children.get_or_insert_default();
            // Not `entry`, which would need an owned name each time.
            if !children.contains_key(name) {
                let inode = InodeId {
                    layer: IMPLICIT_LAYER,
                    entry: self.implicit,
                };
                self.implicit += 1;
                children.insert(name.into(), Arc::new(Item::directory(inode)));
            }
            let child = children.get_mut(name).expect("because it was just made");
            item = Arc::make_mut(child);
        }
        item.children.get_or_insert_default()
    }
}

/// Puts something under a name, over what is there, and says whether that was replaced.
fn put(children: &mut Names, name: &[u8], inode: InodeId, is_directory: bool) -> bool {
    let item = || {
        Arc::new(match is_directory {
            true => Item::directory(inode),
            false => Item {
                inode,
                children: None,
            },
        })
    };
    match children.get_mut(name) {
        // A directory over a directory only changes its metadata.
        Some(there) if is_directory && there.children.is_some() => {
            Arc::make_mut(there).inode = inode;
            false
        }
        Some(there) => {
            *there = item();
            true
        }
        None => {
            children.insert(name.into(), item());
            false
        }
    }
}
