//! Whether a container could tell two trees apart.

use std::collections::HashMap;
use std::fmt;

use super::{Node, Tree};

/// The first place at which two trees differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDifference {
    /// Where, in the form of [`Entry::path`](crate::Entry::path).
    pub path: Vec<u8>,
    /// In what, for a person: "the owner".
    pub what: &'static str,
}

impl fmt::Display for ViewDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = String::from_utf8_lossy(&self.path);
        write!(f, "`/{path}` differs in {}", self.what)
    }
}

/// Compares all that a process sees of the trees' files: paths, kinds, sizes, content by digest, link
/// targets, devices, modes, owners, times, extended attributes, and which names are one file. How the
/// layers give them does not matter.
#[must_use]
pub fn first_difference(left: &Tree, right: &Tree) -> Option<ViewDifference> {
    let (mut lefts, mut rights) = (left.walk(b""), right.walk(b""));
    let (mut left_names, mut right_names) = (HashMap::new(), HashMap::new());
    let mut number = 0_u64;
    loop {
        let (left, right) = (lefts.advance(), rights.advance());
        let (path, what) = match (left, right) {
            (None, None) => return None,
            (Some((path, _)), None) | (None, Some((path, _))) => (path, "being there"),
            // The one that comes first is missing on the other side.
            (Some((left, _)), Some((right, _))) if left != right => {
                (left.min(right), "being there")
            }
            (Some((path, left)), Some((_, right))) => {
                let first_left = *left_names.entry(left.inode()).or_insert(number);
                let first_right = *right_names.entry(right.inode()).or_insert(number);
                number += 1;
                let is_link_apart = !left.is_directory() && first_left != first_right;
                match differing(left, right) {
                    Some(what) => (path, what),
                    None if is_link_apart => (path, "its hard links"),
                    None => continue,
                }
            }
        };
        return Some(ViewDifference {
            path: path.to_vec(),
            what,
        });
    }
}

fn differing(left: Node<'_>, right: Node<'_>) -> Option<&'static str> {
    let (old, new) = (left.entry(), right.entry());
    let is_different = |what, different: bool| different.then_some(what);
    is_different("its kind, size or target", old.kind != new.kind)
        .or(is_different(
            "its content",
            left.content() != right.content(),
        ))
        .or(is_different("its mode", old.mode != new.mode))
        .or(is_different(
            "its owner",
            (old.uid, old.gid) != (new.uid, new.gid),
        ))
        .or(is_different("its time", old.mtime != new.mtime))
        .or(is_different(
            "its extended attributes",
            old.xattrs != new.xattrs,
        ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Entry, Kind, LayerWriter, Time};

    fn tree(layers: &[&[Entry]]) -> Tree {
        let made = layers.iter().map(|entries| {
            let mut out = LayerWriter::new(Vec::new());
            for entry in *entries {
                out.entry(entry).unwrap();
            }
            Arc::new(out.finish().unwrap().1)
        });
        Tree::of(&made.collect::<Vec<_>>()).unwrap()
    }

    fn file(path: &str) -> Entry {
        Entry::new(path, Kind::File { size: 0 })
    }

    fn link(path: &str, target: &str) -> Entry {
        let target = target.into();
        Entry::new(path, Kind::Hardlink { target })
    }

    #[test]
    fn how_layers_give_it_does_not_matter() {
        let one = tree(&[&[file("a"), link("b", "a"), file("c")]]);
        let two = tree(&[
            &[file("c"), file("x"), file("a")],
            &[Entry::whiteout("x"), link("b", "a")],
        ]);
        assert_eq!(first_difference(&one, &two), None);
    }

    #[test]
    fn every_property_is_looked_at() {
        let plain = || file("d");
        let all = [
            (Entry { mode: 1, ..plain() }, "its mode"),
            (Entry { uid: 1, ..plain() }, "its owner"),
            (
                Entry {
                    mtime: Time::from_seconds(1),
                    ..plain()
                },
                "its time",
            ),
            (
                Entry {
                    xattrs: [(b"user.a".to_vec(), vec![1])].into(),
                    ..plain()
                },
                "its extended attributes",
            ),
            (Entry::new("d", Kind::Fifo), "its kind, size or target"),
            (file("e"), "being there"),
        ];
        let left = tree(&[&[plain()]]);
        for (entry, what) in all {
            let right = tree(&[&[entry]]);
            let found = first_difference(&left, &right).unwrap();
            assert_eq!((found.what, &found.path[..]), (what, &b"d"[..]));
        }
    }

    #[test]
    fn links_are_told_from_equal_files() {
        let linked = tree(&[&[file("a"), link("b", "a")]]);
        let apart = tree(&[&[file("a"), file("b")]]);
        let found = first_difference(&linked, &apart).unwrap();
        assert_eq!(found.to_string(), "`/b` differs in its hard links");
    }
}
