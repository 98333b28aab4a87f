//! Trees without some of their paths: what is left when an image is trimmed.

use super::{Node, Tree};
use crate::entry::split_path;

impl Tree {
    /// The same tree without the paths that `drop` picks, and what lies below them. It keeps the layers,
    /// so inodes mean the same in both; the root stays whatever `drop` says. A file that loses one of
    /// its names stays under the others.
    ///
    /// `drop` is asked from the root down, siblings by name, and not below what it picked.
    #[must_use]
    pub fn without(&self, mut drop: impl FnMut(&[u8], Node<'_>) -> bool) -> Self {
        let mut dropped = Vec::new();
        let mut walk = self.walk(b"");
        while let Some((path, node)) = walk.advance() {
            if path.is_empty() || !drop(path, node) {
                continue;
            }
            dropped.push(path.to_vec());
            if node.is_directory() {
                walk.skip_children();
            }
        }
        let mut left = self.clone();
        for path in dropped {
            let (parent, name) = split_path(&path).expect("because the root is never dropped");
            left.children_mut(parent).remove(name);
        }
        left
    }
}
