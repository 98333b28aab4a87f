//! One layer of many.

use std::collections::HashMap;
use std::sync::Arc;

use kiln_layer::{Entry, Kind, LayerIndex, LayerWriter, SquashError, Tree, index_tar, squash};
use kiln_oci::Digest;
use proptest::prelude::*;

use crate::model::crowded_layers;
use crate::samples::{
    Tars, content_of, directory, file, hardlink, layer, opaque, read_all, symlink,
};
use crate::tree::tree_of;

/// What a tree says at a path.
#[derive(Debug, PartialEq)]
struct Said {
    entry: Entry,
    content: Option<Digest>,
    /// The first path that shares the inode.
    first_name: Vec<u8>,
}

fn flattened(tree: &Tree) -> Vec<Said> {
    let mut first = HashMap::new();
    let walk = tree.walk(b"");
    walk.map(|(path, node)| {
        let first_name = first
            .entry(node.inode())
            .or_insert_with(|| path.clone())
            .clone();
        Said {
            entry: Entry {
                path,
                ..node.entry().clone()
            },
            content: node.content().copied(),
            first_name,
        }
    })
    .collect()
}

fn squashed(
    base: Option<&Tree>,
    layers: &[Arc<LayerIndex>],
    tars: &Tars,
) -> (Vec<u8>, Arc<LayerIndex>) {
    let mut out = LayerWriter::new(Vec::new());
    squash(base, layers, tars, &mut out).unwrap();
    let (tar, index) = out.finish().unwrap();
    assert_eq!(index_tar(&tar[..], &mut std::io::sink()).unwrap(), index);
    assert!(index.is_self_contained(), "{index:#?}");
    (tar, Arc::new(index))
}

fn stored(layers: &[Vec<Entry>]) -> (Tars, Vec<Arc<LayerIndex>>) {
    let mut tars = Tars::default();
    let mut indexes = Vec::new();
    for entries in layers {
        let (tar, index) = layer(entries);
        tars.0.push((index.diff_id, tar));
        indexes.push(index);
    }
    (tars, indexes)
}

proptest! {
    #[test]
    fn the_squashed_layer_does_what_the_layers_do(
        (layers, _) in crowded_layers(),
        split in any::<prop::sample::Index>(),
    ) {
        let (tars, indexes) = stored(&layers);
        let whole = Tree::of(&indexes).unwrap();
        let (below, above) = indexes.split_at(split.index(indexes.len() + 1));
        let base = Tree::of(below).unwrap();
        let (_, one) = squashed(Some(&base), above, &tars);
        let mut merged = base.clone();
        merged.apply(&one).unwrap();
        prop_assert_eq!(flattened(&merged), flattened(&whole));

        let (_, all) = squashed(None, &indexes, &tars);
        prop_assert!(all.entries.iter().all(|indexed| !indexed.entry.kind.is_removal()));
        prop_assert_eq!(flattened(&Tree::of([&all]).unwrap()), flattened(&whole));
        // What was squashed once comes out the same again.
        let mut again = Tars::default();
        let (tar, _) = squashed(None, &indexes, &tars);
        again.0.push((all.diff_id, tar));
        let (_, twice) = squashed(None, std::slice::from_ref(&all), &again);
        prop_assert_eq!(twice.diff_id, all.diff_id);
    }
}

#[test]
fn links_whose_first_name_was_replaced_keep_their_content() {
    // The case that crane's flatten gets wrong: B must stay OLD, D must not dangle.
    let lower = vec![
        file("A", 3),
        hardlink("B", "A"),
        file("C", 4),
        hardlink("D", "C"),
    ];
    let upper = vec![file("A", 5), Entry::whiteout("C")];
    let (tars, indexes) = stored(&[lower.clone(), upper.clone()]);
    let (tar, _) = squashed(None, &indexes, &tars);
    let read = read_all(&tar, kiln_layer::Dialect::Layer);
    let paths: Vec<_> = read.iter().map(|(entry, _)| &entry.path[..]).collect();
    assert_eq!(paths, [b"A", b"B", b"D"]);
    assert_eq!(read[0].1, content_of(&upper[0]));
    assert_eq!(read[1].1, content_of(&lower[0]));
    assert_eq!(read[2].1, content_of(&lower[2]));
}

#[test]
fn removals_of_what_the_base_has_are_kept_and_others_are_not() {
    let base = tree_of(&[&[
        directory("d"),
        file("d/base", 1),
        file("d/stays", 1),
        directory("o"),
        file("o/x", 1),
    ]]);
    let layers = [
        vec![file("d/own", 1), opaque("o"), file("o/y", 1)],
        vec![
            Entry::whiteout("d/own"),
            Entry::whiteout("d/base"),
            Entry::whiteout("never"),
        ],
    ];
    let (tars, indexes) = stored(&layers);
    let (_, one) = squashed(Some(&base), &indexes, &tars);
    let said: Vec<_> = one
        .entries
        .iter()
        .map(|indexed| {
            (
                std::str::from_utf8(&indexed.entry.path).unwrap(),
                indexed.entry.kind.name(),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("d", "directory"),
            ("d/base", "whiteout"),
            ("o", "directory"),
            ("o/x", "whiteout"),
            ("o/y", "file")
        ]
    );
}

#[test]
fn what_becomes_another_kind_is_written_without_whiteouts_below() {
    let lower = [
        directory("d"),
        file("d/x", 1),
        file("f", 1),
        directory("l"),
        file("l/y", 1),
    ];
    let (base_tars, base_indexes) = stored(&[lower.to_vec()]);
    let base = Tree::of(&base_indexes).unwrap();
    let (mut tars, indexes) = stored(&[vec![
        file("d", 2),
        directory("f"),
        file("f/z", 1),
        symlink("l", "d"),
    ]]);
    tars.0.extend(base_tars.0);
    let (_, one) = squashed(Some(&base), &indexes, &tars);
    assert!(
        one.entries
            .iter()
            .all(|indexed| !indexed.entry.kind.is_removal())
    );
    assert_eq!(one.entries.len(), 4);
}

#[test]
fn a_new_name_of_a_file_below_brings_the_file_along() {
    let (mut tars, lower) = stored(&[vec![directory("d"), file("d/old", 9)]]);
    let base = Tree::of(&lower).unwrap();
    let (more, upper) = stored(&[vec![hardlink("new", "d/old")]]);
    tars.0.extend(more.0);
    let (_, one) = squashed(Some(&base), &upper, &tars);
    let kinds: Vec<_> = one
        .entries
        .iter()
        .map(|indexed| indexed.entry.kind.clone())
        .collect();
    let target = b"d/old".to_vec();
    assert_eq!(
        kinds,
        [
            Kind::Directory,
            Kind::File { size: 9 },
            Kind::Hardlink { target }
        ]
    );
}

#[test]
fn attributes_survive_and_nothing_is_written_for_nothing() {
    let mut ping = file("ping", 2);
    ping.xattrs
        .insert(b"security.capability".to_vec(), vec![0, 1, 2, 255]);
    let lower = vec![ping.clone(), hardlink("pong", "ping"), file("x", 1)];
    let (tars, indexes) = stored(&[lower, vec![Entry::whiteout("x")]]);
    let (_, one) = squashed(None, &indexes, &tars);
    assert_eq!(one.entries.len(), 2);
    assert_eq!(one.entries[0].entry, ping);
    let pong = &one.entries[1].entry;
    assert_eq!((&pong.xattrs, pong.mode), (&ping.xattrs, ping.mode));
    let (_, nothing) = squashed(Some(&Tree::of(&indexes).unwrap()), &[], &tars);
    assert_eq!(nothing.size, 1024);
}

#[test]
fn missing_and_changed_content_is_noticed() {
    let (mut tars, indexes) = stored(&[vec![file("dir/a", 600)]]);
    let mut out = LayerWriter::new(Vec::new());
    let error = squash(None, &indexes, &Tars::default(), &mut out)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, SquashError::Content { .. }), "{error}");
    assert!(error.to_string().contains("`dir/a`"), "{error}");
    tars.0[0].1[700] ^= 1;
    let mut out = LayerWriter::new(Vec::new());
    let error = squash(None, &indexes, &tars, &mut out)
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, SquashError::Changed { .. }), "{error}");
}
