//! What a directory holds, below and above a layer. Made when it is first looked at, and kept.

use std::collections::HashMap;
use std::rc::Rc;

use kiln_layer::entry::join_path;
use kiln_layer::{InodeId, Kind, Node, Tree};

/// What a layer does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It, or something in it, is another.
    Modified,
    /// Nothing.
    Unmodified,
}

/// Something in a directory.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) name: Vec<u8>,
    pub(super) change: Change,
    pub(super) is_directory: bool,
    /// Bytes of it, or of all that is in it.
    pub(super) bytes: u64,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// Where a link leads, or nothing.
    pub(super) target: Vec<u8>,
    pub(super) inode: InodeId,
    /// The kind's letter, as `ls` has it.
    pub(super) letter: char,
}

/// The directories that were looked at.
#[derive(Default)]
pub(super) struct Listings {
    by_path: HashMap<Vec<u8>, Rc<Vec<Child>>>,
    by_size: HashMap<Vec<u8>, Rc<Vec<Child>>>,
}

impl Listings {
    pub(super) fn clear(&mut self) {
        self.by_path.clear();
        self.by_size.clear();
    }

    /// The children of the directory at `path`, sorted by name, or the largest first.
    pub(super) fn of(
        &mut self,
        below: &Tree,
        above: &Tree,
        path: &[u8],
        by_size: bool,
    ) -> Rc<Vec<Child>> {
        let kept = if by_size {
            &self.by_size
        } else {
            &self.by_path
        };
        if let Some(children) = kept.get(path) {
            return Rc::clone(children);
        }
        if !by_size {
            let children = Rc::new(list(below, above, path));
            self.by_path.insert(path.to_vec(), Rc::clone(&children));
            return children;
        }
        let mut sorted = Vec::clone(&self.of(below, above, path, false));
        sorted.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        let sorted = Rc::new(sorted);
        self.by_size.insert(path.to_vec(), Rc::clone(&sorted));
        sorted
    }
}

fn list(below: &Tree, above: &Tree, path: &[u8]) -> Vec<Child> {
    let mut old = below.children(path).peekable();
    let mut new = above.children(path).peekable();
    let mut children = vec![];
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return children,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let was = order.is_le().then(|| old.next()).flatten();
        let is = order.is_ge().then(|| new.next()).flatten();
        let change = match (was, is) {
            (Some((_, was)), Some((_, is))) if was.is_shared_with(is) => Change::Unmodified,
            (Some(_), Some(_)) => Change::Modified,
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
        };
        if let Some((name, node)) = is.or(was) {
            let tree = if is.is_some() { above } else { below };
            children.push(child(tree, path, name, node, change));
        }
    }
}

fn child(tree: &Tree, path: &[u8], name: &[u8], node: Node<'_>, change: Change) -> Child {
    let entry = node.entry();
    let bytes = match node.is_directory() {
        true => total(tree, &join_path(path, name)),
        false => node.indexed().size(),
    };
    let (letter, target) = match &entry.kind {
        Kind::Directory => ('d', &[][..]),
        Kind::Symlink { target } => ('l', &target[..]),
        Kind::Char { .. } => ('c', &[][..]),
        Kind::Block { .. } => ('b', &[][..]),
        Kind::Fifo => ('p', &[][..]),
        _ => ('-', &[][..]),
    };
    Child {
        name: name.to_vec(),
        change,
        is_directory: node.is_directory(),
        bytes,
        mode: entry.mode,
        owner: (entry.uid, entry.gid),
        target: target.to_vec(),
        inode: node.inode(),
        letter,
    }
}

/// Bytes of all files below a directory.
fn total(tree: &Tree, path: &[u8]) -> u64 {
    let mut walk = tree.walk(path);
    let mut bytes = 0;
    while let Some((_, node)) = walk.advance() {
        bytes += node.indexed().size();
    }
    bytes
}
