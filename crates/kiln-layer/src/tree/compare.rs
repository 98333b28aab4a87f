//! What differs between two trees.
//!
//! Trees that share layers, as two steps of one image do, share directories too. Those are passed
//! over whole, so that a comparison costs what differs and not what is there.

use std::collections::btree_map;
use std::iter::Peekable;
use std::sync::Arc;

use super::{Item, Node, Tree};

type Names<'a> = Peekable<btree_map::Iter<'a, Arc<[u8]>, Arc<Item>>>;

/// The children of one directory on both sides.
struct Pair<'a> {
    /// Bytes of the directory's path.
    len: usize,
    before: Names<'a>,
    after: Names<'a>,
}

/// What both sides have under a name.
struct Both<'a> {
    name: &'a [u8],
    before: Option<&'a Arc<Item>>,
    after: Option<&'a Arc<Item>>,
}

impl<'a> Pair<'a> {
    fn new(len: usize, before: Option<&'a Item>, after: Option<&'a Item>) -> Self {
        let names = |item: Option<&'a Item>| -> Names<'a> {
            let children = item.and_then(|item| item.children.as_ref());
            let names: btree_map::Iter<'a, _, _> =
                children.map(|children| children.iter()).unwrap_or_default();
            names.peekable()
        };
        Self {
            len,
            before: names(before),
            after: names(after),
        }
    }

    /// The next name that either side has.
    fn next(&mut self) -> Option<Both<'a>> {
        let order = match (self.before.peek(), self.after.peek()) {
            (None, None) => return None,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((before, _)), Some((after, _))) => before.cmp(after),
        };
        let before = order.is_le().then(|| self.before.next()).flatten();
        let after = order.is_ge().then(|| self.after.next()).flatten();
        Some(Both {
            name: before.or(after).map(|(name, _)| &**name)?,
            before: before.map(|(_, item)| item),
            after: after.map(|(_, item)| item),
        })
    }
}

impl Tree {
    /// Calls `differs` with each path at which the two trees hold different files, parents before
    /// children and siblings sorted by name, with what is there before and after.
    ///
    /// Files are told apart by identity, not by content: the same bytes brought by another layer are
    /// another file. A directory that only one side has is followed by all that is below it. Of
    /// directories that no layer names, two are never different.
    pub fn compare<'a>(
        &'a self,
        after: &'a Self,
        mut differs: impl FnMut(&[u8], Option<Node<'a>>, Option<Node<'a>>),
    ) {
        let pairs = self.layers.iter().zip(&after.layers);
        let shared = pairs.take_while(|(left, right)| left.diff_id == right.diff_id);
        let shared = shared.count();
        // The numbers of layers above the shared ones mean something else on each side.
        let same = |left: &Item, right: &Item| match (left.inode.layer(), right.inode.layer()) {
            (Some(layer), Some(_)) => left.inode == right.inode && layer < shared,
            (None, None) => true,
            _ => false,
        };
        if !same(&self.root, &after.root) {
            let (old, new) = (self.node(&self.root), after.node(&after.root));
            differs(&[], Some(old), Some(new));
        }
        let mut path = Vec::new();
        let mut open = vec![Pair::new(0, Some(&self.root), Some(&after.root))];
        while let Some(pair) = open.last_mut() {
            path.truncate(pair.len);
            let Some(both) = pair.next() else {
                open.pop();
                continue;
            };
            let (old, new) = (both.before, both.after);
            if let (Some(old), Some(new)) = (old, new)
                && Arc::ptr_eq(old, new)
            {
                continue;
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(both.name);
            let (old, new) = (old.map(|item| &**item), new.map(|item| &**item));
            let is_same = matches!((old, new), (Some(old), Some(new)) if same(old, new));
            if !is_same {
                let (old, new) = (
                    old.map(|item| self.node(item)),
                    new.map(|item| after.node(item)),
                );
                differs(&path, old, new);
            }
            let has_children =
                |item: Option<&Item>| item.is_some_and(|item| item.children.is_some());
            if has_children(old) || has_children(new) {
                open.push(Pair::new(path.len(), old, new));
            }
        }
    }
}
