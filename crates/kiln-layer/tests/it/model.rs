//! A model of merged trees, so simple that it cannot be wrong, and layers to try it with.

use std::collections::BTreeMap;

use kiln_layer::{Entry, Kind, Time};
use proptest::prelude::*;

/// Paths to entries, nothing else. Keys have NUL for slash, which sorts parents before children.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) entries: BTreeMap<Vec<u8>, Entry>,
}

impl Model {
    pub(crate) fn key(path: &[u8]) -> Vec<u8> {
        path.iter()
            .map(|byte| if *byte == b'/' { 0 } else { *byte })
            .collect()
    }

    fn get(&self, path: &[u8]) -> Option<&Entry> {
        self.entries.get(&Self::key(path))
    }

    fn remove_below(&mut self, path: &[u8]) {
        let prefix = [Self::key(path), vec![0]].concat();
        self.entries.retain(|key, _| !key.starts_with(&prefix));
    }

    fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
        (0..path.len())
            .filter(|at| path[*at] == b'/')
            .map(|at| &path[..at])
    }

    fn has_ancestor(&self, path: &[u8], is: impl Fn(&Kind) -> bool) -> bool {
        Self::ancestors(path).any(|path| self.get(path).is_some_and(|entry| is(&entry.kind)))
    }

    /// Applies those of the entries that have a plain place, and gives them.
    pub(crate) fn apply(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let is_link = |kind: &Kind| matches!(kind, Kind::Symlink { .. });
        let is_leaf = |kind: &Kind| *kind != Kind::Directory;
        let mut kept = vec![false; entries.len()];
        for (entry, kept) in entries.iter().zip(&mut kept) {
            let below = [&entry.path[..], b"/x"].concat();
            match entry.kind {
                Kind::Whiteout if !self.has_ancestor(&entry.path, is_link) => {
                    self.remove_below(&entry.path);
                    self.entries.remove(&Self::key(&entry.path));
                    *kept = true;
                }
                Kind::Opaque if !self.has_ancestor(&below, is_link) => {
                    self.remove_below(&entry.path);
                    *kept = true;
                }
                _ => {}
            }
        }
        for (entry, kept) in entries.iter().zip(&mut kept) {
            if entry.kind.is_removal() || self.has_ancestor(&entry.path, is_leaf) {
                continue;
            }
            let mut found = entry.clone();
            if let Kind::Hardlink { target } = &entry.kind {
                match self.get(target) {
                    Some(target) if target.kind != Kind::Directory => found = target.clone(),
                    _ => continue,
                }
            }
            for ancestor in Self::ancestors(&entry.path) {
                let made = || Entry::directory("", 0o755);
                self.entries.entry(Self::key(ancestor)).or_insert_with(made);
            }
            if found.kind != Kind::Directory {
                self.remove_below(&entry.path);
            }
            self.entries.insert(Self::key(&entry.path), found);
            *kept = true;
        }
        let kept = entries.into_iter().zip(kept).filter(|(_, kept)| *kept);
        kept.map(|(entry, _)| entry).collect()
    }
}

/// Entries on few paths, so that they meet.
pub(crate) fn crowded_entry() -> impl Strategy<Value = Entry> {
    let name = || prop::sample::select(vec!["a", "b", "c", "a-b"]);
    let path = || prop::collection::vec(name(), 1..4).prop_map(|names| names.join("/"));
    let kind = prop_oneof![
        4 => (0_u64..700).prop_map(|size| Kind::File { size }),
        4 => Just(Kind::Directory),
        2 => path().prop_map(|target| Kind::Hardlink { target: target.into() }),
        1 => path().prop_map(|target| Kind::Symlink { target: target.into() }),
        2 => Just(Kind::Whiteout),
        1 => Just(Kind::Opaque),
    ];
    (path(), kind, 0_u32..0o10000).prop_map(|(path, kind, mode)| {
        let mode = if kind.is_removal() { 0 } else { mode };
        Entry {
            mode,
            ..Entry::new(path, kind)
        }
    })
}

/// Layers whose entries all have a place, each with a time of its own, and the model of the result.
pub(crate) fn crowded_layers() -> impl Strategy<Value = (Vec<Vec<Entry>>, Model)> {
    let layer = prop::collection::vec(crowded_entry(), 0..14);
    prop::collection::vec(layer, 1..6).prop_map(|layers| {
        let mut model = Model::default();
        let mut number = 0;
        let layers = layers.into_iter().map(|mut entries| {
            for entry in &mut entries {
                number += 1;
                if !entry.kind.is_removal() {
                    entry.mtime = Time::from_seconds(number);
                }
            }
            model.apply(entries)
        });
        (layers.collect(), model)
    })
}
