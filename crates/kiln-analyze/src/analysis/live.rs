//! Through what a container sees: files of a kind that one may do without, duplicates, the largest.

use std::collections::HashMap;

use kiln_layer::{InodeId, Node};
use kiln_oci::Digest;

use super::FileSize;
use super::findings::{Findings, Largest};
use crate::cause::Cause;
use crate::kinds::kind_of;
use crate::waste::Layering;

/// How many of the largest files are listed.
const LARGEST: usize = 20;

/// A file with one of its names.
struct Live<'a> {
    path: Vec<u8>,
    node: Node<'a>,
    layer: usize,
}

/// Adds what could be saved to `findings`, and gives the largest files.
pub(super) fn look(layering: &Layering, findings: &mut Findings<'_>) -> Vec<FileSize> {
    let mut looking = Looking {
        findings,
        largest: Largest::new(LARGEST),
        same: HashMap::new(),
    };
    let mut linked: HashMap<InodeId, (Live<'_>, Option<Cause>)> = HashMap::new();
    each_file(layering, |path, node, layer| {
        if layering.names(node.inode()) == 1 {
            looking.look_at(path, node, layer, kind_of(path));
            return;
        }
        // A file with several names can go only if all of them are of one kind.
        let kind = kind_of(path);
        let known = linked.entry(node.inode()).or_insert_with(|| {
            let path = path.to_vec();
            (Live { path, node, layer }, kind)
        });
        if known.1 != kind {
            known.1 = None;
        }
    });
    for (live, kind) in linked.values() {
        looking.look_at(&live.path, live.node, live.layer, *kind);
    }
    looking.same.retain(|_, count| *count > 1);
    let (same, largest) = (looking.same, looking.largest);
    if !same.is_empty() {
        add_duplicates(layering, &same, linked, findings);
    }
    largest.list()
}

struct Looking<'a, 'b> {
    findings: &'a mut Findings<'b>,
    largest: Largest,
    /// How many files have a content, of those that are of no other kind.
    same: HashMap<Digest, u32>,
}

impl Looking<'_, '_> {
    fn look_at(&mut self, path: &[u8], node: Node<'_>, layer: usize, kind: Option<Cause>) {
        let bytes = node.indexed().stored_size();
        self.largest.offer(bytes, || FileSize {
            path: String::from_utf8_lossy(path).into_owned(),
            bytes,
            layer,
        });
        if let Some(kind) = kind {
            let place = (layer, layer);
            self.findings.add(kind, place, node.indexed(), path, None);
        } else if let Some(content) = node.content() {
            *self.same.entry(*content).or_default() += 1;
        }
    }
}

/// Each name of each file that has bytes, in the order of the paths.
fn each_file<'a>(layering: &'a Layering, mut look: impl FnMut(&[u8], Node<'a>, usize)) {
    let mut walk = layering.tree.walk(&[]);
    while let Some((path, node)) = walk.advance() {
        let has_bytes = !node.is_directory() && node.indexed().stored_size() > 0;
        if let Some(layer) = node.inode().layer().filter(|_| has_bytes) {
            look(path, node, layer);
        }
    }
}

/// Of files with the same content, the lowest layer's first one stays.
fn add_duplicates<'a>(
    layering: &'a Layering,
    same: &HashMap<Digest, u32>,
    linked: HashMap<InodeId, (Live<'a>, Option<Cause>)>,
    findings: &mut Findings<'_>,
) {
    let is_same = |node: Node<'_>| {
        node.content()
            .is_some_and(|content| same.contains_key(content))
    };
    let linked = linked.into_values().filter(|(_, kind)| kind.is_none());
    let mut found: Vec<Live<'a>> = linked
        .map(|(live, _)| live)
        .filter(|live| is_same(live.node))
        .collect();
    each_file(layering, |path, node, layer| {
        if is_same(node) && layering.names(node.inode()) == 1 && kind_of(path).is_none() {
            let path = path.to_vec();
            found.push(Live { path, node, layer });
        }
    });
    found.sort_by(|a, b| (a.layer, &a.path).cmp(&(b.layer, &b.path)));
    let mut first: HashMap<Digest, &[u8]> = HashMap::with_capacity(same.len());
    for live in &found {
        let content = live.node.content().expect("because it is among the same");
        match first.get(content) {
            None => drop(first.insert(*content, &live.path)),
            Some(first) => {
                let (place, indexed) = ((live.layer, live.layer), live.node.indexed());
                findings.add(Cause::Duplicate, place, indexed, &live.path, Some(first));
            }
        }
    }
}
