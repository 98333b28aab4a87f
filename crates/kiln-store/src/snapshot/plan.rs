//! What a layer's directory must hold, worked out from indexes before anything is touched.
//!
//! A plan has every path in its final state: parents that are symbolic links are resolved, of two
//! entries with one path the last one is left, and every parent is a real directory of the plan.
//! That is what makes unpacking safe against hostile layers and lets it run in parallel: nothing is
//! ever created through a link, and nothing twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use kiln_layer::entry::split_path;
use kiln_layer::{Entry, InodeId, Kind, LayerIndex, Node, Tree};

/// The content of one layer's directory.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// By path, so that parents come before their children.
    pub(super) directories: BTreeMap<Vec<u8>, Directory<'a>>,
    /// Other names of files, each with the first.
    pub(super) links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Paths that overlayfs shall hide.
    pub(super) whiteouts: Vec<Vec<u8>>,
}

/// A directory and what lies in it, besides directories.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    pub(super) entry: &'a Entry,
    pub(super) is_opaque: bool,
    pub(super) files: Vec<(Vec<u8>, Node<'a>)>,
}

/// The plan of a layer that needs none below it. `tree` is the tree of that layer alone.
pub(super) fn alone<'a>(tree: &'a Tree, layer: &LayerIndex) -> Plan<'a> {
    let mut planner = Planner::new(tree);
    let mut walk = tree.walk(b"");
    while let Some((path, node)) = walk.advance() {
        planner.put(path, node);
    }
    for entry in layer.entries.iter().map(|indexed| &indexed.entry) {
        match entry.kind {
            // A file of the same name in the same layer hides the victim by itself; a directory
            // of that name must not show what the victim had.
            Kind::Whiteout => match tree.get(&entry.path) {
                None => planner.whiteout(entry.path.clone()),
                Some(node) if node.is_directory() => planner.opaque(&entry.path),
                Some(_) => {}
            },
            Kind::Opaque => planner.opaque(&entry.path),
            _ => {}
        }
    }
    planner.plan
}

/// The plan of the topmost layer of `merged`, which is that layer laid over `lower`: what differs
/// between the two trees.
pub(super) fn over<'a>(lower: &Tree, merged: &'a Tree) -> Plan<'a> {
    let own = lower.layers().len();
    let mut planner = Planner::new(merged);
    let mut adopted = HashSet::new();
    let mut pending = vec![Vec::new()];
    if let Some(root) = merged.get(b"") {
        planner.put(b"", root);
    }
    while let Some(directory) = pending.pop() {
        let before: BTreeMap<_, _> = lower.children(&directory).collect();
        let mut names = HashSet::new();
        for (name, node) in merged.children(&directory) {
            names.insert(name);
            let path = kiln_layer::entry::join_path(&directory, name);
            let was = before.get(name);
            if was.is_none_or(|was| was.inode() != node.inode()) {
                planner.put(&path, node);
                if !node.is_directory() && node.inode().layer() != Some(own) {
                    adopted.insert(node.inode());
                }
            }
            if node.is_directory() {
                pending.push(path);
            }
        }
        for name in before.keys().filter(|name| !names.contains(*name)) {
            planner.whiteout(kiln_layer::entry::join_path(&directory, name));
        }
    }
    if !adopted.is_empty() {
        planner.adopt(merged, &adopted);
    }
    planner.plan
}

struct Planner<'a> {
    tree: &'a Tree,
    plan: Plan<'a>,
    first_names: HashMap<InodeId, Vec<u8>>,
}

impl<'a> Planner<'a> {
    fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            plan: Plan {
                directories: BTreeMap::new(),
                links: Vec::new(),
                whiteouts: Vec::new(),
            },
            first_names: HashMap::new(),
        }
    }

    /// The directory at `path`, put in with its parents if it was not there. Parents that the layer
    /// does not name take the metadata that they have in the tree.
    fn directory(&mut self, path: &[u8]) -> &mut Directory<'a> {
        if !self.plan.directories.contains_key(path) {
            if let Some((parent, _)) = split_path(path) {
                self.directory(parent);
            }
            let node = self.tree.get(path);
            let node = node.expect("because every parent is in the tree");
            let directory = Directory {
                entry: node.entry(),
                is_opaque: false,
                files: Vec::new(),
            };
            self.plan.directories.insert(path.to_vec(), directory);
        }
        let there = self.plan.directories.get_mut(path);
        there.expect("because it was just put in")
    }

    fn put(&mut self, path: &[u8], node: Node<'a>) {
        if node.is_directory() {
            self.directory(path);
            return;
        }
        let Some((parent, name)) = split_path(path) else {
            return;
        };
        if let Some(first) = self.first_names.get(&node.inode()) {
            let link = (path.to_vec(), first.clone());
            self.directory(parent);
            self.plan.links.push(link);
            return;
        }
        self.first_names.insert(node.inode(), path.to_vec());
        self.directory(parent).files.push((name.to_vec(), node));
    }

    fn whiteout(&mut self, path: Vec<u8>) {
        if let Some((parent, _)) = split_path(&path) {
            self.directory(parent);
            self.plan.whiteouts.push(path);
        }
    }

    fn opaque(&mut self, path: &[u8]) {
        self.directory(path).is_opaque = true;
    }

    /// Takes the other names of files of lower layers along that got a new one here, as a link made
    /// through overlayfs does: all of them stay one file.
    fn adopt(&mut self, merged: &'a Tree, adopted: &HashSet<InodeId>) {
        let linked: HashSet<_> = self
            .plan
            .links
            .iter()
            .map(|(path, _)| path.clone())
            .collect();
        let mut walk = merged.walk(b"");
        while let Some((path, node)) = walk.advance() {
            let inode = node.inode();
            if !adopted.contains(&inode) || linked.contains(path) {
                continue;
            }
            if self
                .first_names
                .get(&inode)
                .is_none_or(|first| first != path)
            {
                self.put(path, node);
            }
        }
    }
}
