//! Going through a tree in order.

use std::collections::btree_map;
use std::sync::Arc;

use super::{Item, Node, Tree};

type NamesIter<'a> = btree_map::Iter<'a, Arc<[u8]>, Arc<Item>>;

/// The children of a directory with their names, sorted by name.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    tree: &'a Tree,
    names: Option<NamesIter<'a>>,
}

impl<'a> Children<'a> {
    pub(super) fn new(tree: &'a Tree, item: &'a Item) -> Self {
        let names = item.children.as_ref().map(|children| children.iter());
        Self { tree, names }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = (&'a [u8], Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, item) = self.names.as_mut()?.next()?;
        Some((name, self.tree.node(item)))
    }
}

/// A subtree, parents before children and siblings sorted by name.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    tree: &'a Tree,
    first: Option<&'a Item>,
    /// The path of the last node.
    path: Vec<u8>,
    /// The directories that are open, with the length of their paths.
    open: Vec<(usize, NamesIter<'a>)>,
}

impl<'a> Walk<'a> {
    /// The next node and its path, which lives until the next call; [`Iterator::next`] copies it.
    pub fn advance(&mut self) -> Option<(&[u8], Node<'a>)> {
        let item = match self.first.take() {
            Some(first) => first,
            None => self.descend()?,
        };
        if let Some(children) = &item.children {
            self.open.push((self.path.len(), children.iter()));
        }
        Some((&self.path, self.tree.node(item)))
    }

    /// Leaves out the descendants of the directory that came last.
    pub fn skip_children(&mut self) {
        let came_last = self
            .open
            .last()
            .is_some_and(|(len, _)| *len == self.path.len());
        if came_last {
            self.open.pop();
        }
    }

    fn descend(&mut self) -> Option<&'a Item> {
        loop {
            let (len, names) = self.open.last_mut()?;
            self.path.truncate(*len);
            if let Some((name, item)) = names.next() {
                if !self.path.is_empty() {
                    self.path.push(b'/');
                }
                self.path.extend_from_slice(name);
                return Some(item);
            }
            self.open.pop();
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Vec<u8>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map(|(path, node)| (path.to_vec(), node))
    }
}

impl Tree {
    /// The children of the directory at `path`; none when there is no directory.
    #[must_use]
    pub fn children(&self, path: &[u8]) -> Children<'_> {
        let names = self.item(path).and_then(|item| item.children.as_ref());
        Children {
            tree: self,
            names: names.map(|children| children.iter()),
        }
    }

    /// The node at `path` and all below it, parents before children and siblings sorted by name;
    /// nothing when there is no such node. The whole tree is below the empty path.
    #[must_use]
    pub fn walk(&self, path: &[u8]) -> Walk<'_> {
        Walk {
            tree: self,
            first: self.item(path),
            path: path.to_vec(),
            open: Vec::new(),
        }
    }
}
