//! Following symbolic links inside a tree, as a process sees them whose root is the tree's.

use super::{Item, Node, Tree};
use crate::entry::Kind;

/// As many links as Linux follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Where a path leads.
#[derive(Clone, Debug)]
pub struct Resolved<'a> {
    /// The path without links, `.` and `..`, in the form of [`Entry::path`](crate::Entry::path).
    pub path: Vec<u8>,
    /// What is there; nothing if the path or a part of it does not exist.
    pub node: Option<Node<'a>>,
}

/// A path that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The links do not end.
    #[error("`{path}` has more than {MAX_LINKS} symbolic links")]
    TooManyLinks {
        /// The path that was to be resolved.
        path: String,
    },
    /// The path goes on below something that is no directory.
    #[error("`{path}` cannot be followed: `{at}` is not a directory")]
    NotADirectory {
        /// The path that was to be resolved.
        path: String,
        /// The part that is no directory.
        at: String,
    },
}

/// How a walk along a path ended.
pub(super) enum Walked<'a> {
    /// At a place, which exists or not.
    At(Vec<u8>, Option<&'a Item>),
    /// At a link that was not to be followed.
    Stopped,
}

impl Tree {
    /// Follows `path` from the root, through symbolic links. `..` above the root stays there. The
    /// last component's own link is followed only with `follow_last`. Any bytes are a path: slashes
    /// at the ends and doubled ones do not matter.
    ///
    /// # Errors
    /// When there are too many links or the path leads through something that is no directory.
    pub fn resolve(&self, path: &[u8], follow_last: bool) -> Result<Resolved<'_>, ResolveError> {
        match self.walk_path(path, follow_last, |_| true)? {
            Walked::At(path, item) => Ok(Resolved {
                path,
                node: item.map(|item| self.node(item)),
            }),
            Walked::Stopped => unreachable!("because every link may be followed"),
        }
    }

    /// Where a whiteout's directory is, if it is there. Links are followed only if `follow` says so
    /// of their place.
    pub(super) fn resolve_below(
        &self,
        path: &[u8],
        follow: impl FnMut(&[u8]) -> bool,
    ) -> Option<Vec<u8>> {
        match self.walk_path(path, true, follow) {
            Ok(Walked::At(path, Some(_))) => Some(path),
            _ => None,
        }
    }

    fn walk_path(
        &self,
        path: &[u8],
        follow_last: bool,
        mut follow: impl FnMut(&[u8]) -> bool,
    ) -> Result<Walked<'_>, ResolveError> {
        let mut pending = Vec::new();
        push_components(&mut pending, path);
        let mut place = Place::at_root(self);
        let mut links = 0;
        while let Some(name) = pending.pop() {
            let here = place.item();
            if here.is_some_and(|item| item.children.is_none()) {
                return Err(ResolveError::NotADirectory {
                    path: shown(path),
                    at: shown(&place.path()),
                });
            }
            if name == b".." {
                place.up();
                continue;
            }
            let child = here.and_then(|item| item.children.as_ref()?.get(name));
            let target = child.and_then(|child| match &self.indexed(child.inode).entry.kind {
                Kind::Symlink { target } => Some(target),
                _ => None,
            });
            let is_last = pending.is_empty();
            place.down(name, child.map(|child| &**child));
            let Some(target) = target.filter(|_| follow_last || !is_last) else {
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(ResolveError::TooManyLinks { path: shown(path) });
            }
            if !follow(&place.path()) {
                return Ok(Walked::Stopped);
            }
            place.up();
            if target.starts_with(b"/") {
                place = Place::at_root(self);
            }
            push_components(&mut pending, target);
        }
        Ok(Walked::At(place.path(), place.item()))
    }
}

/// Puts the components of `path` on the stack, the first one on top.
fn push_components<'a>(pending: &mut Vec<&'a [u8]>, path: &'a [u8]) {
    let components = path.rsplit(|byte| *byte == b'/');
    pending.extend(components.filter(|name| !matches!(*name, b"" | b".")));
}

/// A place in the tree, or one that does not exist below it.
struct Place<'tree, 'name> {
    root: &'tree Item,
    steps: Vec<(&'name [u8], Option<&'tree Item>)>,
}

impl<'tree, 'name> Place<'tree, 'name> {
    fn at_root(tree: &'tree Tree) -> Self {
        Self {
            root: &tree.root,
            steps: Vec::new(),
        }
    }

    fn item(&self) -> Option<&'tree Item> {
        match self.steps.last() {
            Some((_, item)) => *item,
            None => Some(self.root),
        }
    }

    fn down(&mut self, name: &'name [u8], item: Option<&'tree Item>) {
        self.steps.push((name, item));
    }

    /// The root's parent is the root.
    fn up(&mut self) {
        self.steps.pop();
    }

    fn path(&self) -> Vec<u8> {
        let names: Vec<&[u8]> = self.steps.iter().map(|(name, _)| *name).collect();
        names.join(&b'/')
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
