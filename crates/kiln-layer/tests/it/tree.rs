//! Merged trees, against a model so simple that it cannot be wrong.

use std::sync::Arc;

use kiln_layer::{Entry, Kind, LayerIndex, Node, ResolveError, Tree, TreeError, Users};
use proptest::prelude::*;

use crate::model::{Model, crowded_entry, crowded_layers};
use crate::samples::{directory, file, hardlink, layer, opaque, symlink};

/// The tree of layers that must fit.
pub(crate) fn tree_of(layers: &[&[Entry]]) -> Tree {
    let layers: Vec<_> = layers.iter().map(|entries| layer(entries).1).collect();
    Tree::of(&layers).unwrap()
}

fn paths(tree: &Tree) -> Vec<String> {
    let walk = tree.walk(b"").skip(1);
    walk.map(|(path, _)| String::from_utf8(path).unwrap())
        .collect()
}

proptest! {
    #[test]
    fn trees_agree_with_the_model((layers, model) in crowded_layers()) {
        let layers: Vec<_> = layers.iter().map(|entries| layer(entries).1).collect();
        let tree = Tree::of(&layers).unwrap();
        let found: Vec<_> = tree.walk(b"").skip(1).collect();
        let expected: Vec<_> = model.entries.iter().collect();
        prop_assert_eq!(found.len(), expected.len());
        for ((path, node), (key, entry)) in found.iter().zip(&expected) {
            prop_assert_eq!(&Model::key(path), *key);
            // Times are unique, so equal entries are the same entry, and so is their inode.
            if node.layer().is_some() {
                prop_assert_eq!(node.entry(), *entry);
            } else {
                prop_assert_eq!((node.entry().mode, entry.mode), (0o755, 0o755));
            }
            prop_assert_eq!(tree.get(path).unwrap().inode(), node.inode());
            prop_assert_eq!(node.is_directory(), entry.kind == Kind::Directory);
        }
        for (path, node) in tree.walk(b"") {
            let names: Vec<_> = node.children().map(|(name, _)| name.to_vec()).collect();
            let again: Vec<_> = tree.children(&path).map(|(name, _)| name.to_vec()).collect();
            prop_assert_eq!(&names, &again);
            prop_assert!(names.is_sorted());
        }
    }

    /// Applying to a clone leaves the original as it was.
    #[test]
    fn trees_are_values((layers, _) in crowded_layers()) {
        let mut tree = Tree::new();
        let mut seen = Vec::new();
        for entries in &layers {
            seen.push((tree.clone(), paths(&tree)));
            tree.apply(&layer(entries).1).unwrap();
        }
        for (tree, before) in seen {
            prop_assert_eq!(paths(&tree), before);
        }
    }

    /// Layers of any kind give a tree or an error, and after an error the tree is as before.
    #[test]
    fn wild_layers_never_panic(
        layers in prop::collection::vec(prop::collection::vec(crowded_entry(), 0..10), 1..5),
        path in "[abc./]{0,12}",
    ) {
        let mut tree = Tree::new();
        for entries in layers {
            let before = paths(&tree);
            if tree.apply(&layer(&entries).1).is_err() {
                prop_assert_eq!(paths(&tree), before);
            }
            for (_, node) in tree.walk(b"") {
                prop_assert_eq!(node.is_directory(), node.entry().kind == Kind::Directory);
            }
        }
        for follow in [false, true] {
            if let Ok(resolved) = tree.resolve(path.as_bytes(), follow) {
                let there = tree.get(&resolved.path).map(Node::inode);
                prop_assert_eq!(resolved.node.map(Node::inode), there);
            }
        }
    }
}

#[test]
fn an_empty_tree_has_a_root() {
    let tree = Tree::new();
    let root = tree.get(b"").unwrap();
    assert_eq!((root.entry().mode, root.is_directory()), (0o755, true));
    assert!(root.layer().is_none());
    assert_eq!(paths(&tree), [""; 0]);
    assert_eq!(tree.walk(b"nothing").count(), 0);
}

#[test]
fn removals_count_for_lower_layers_only_wherever_they_stand() {
    let lower = &[directory("d"), file("d/a", 1), file("d/b", 1)][..];
    let upper = &[
        file("d/new", 1),
        file("d/a", 2),
        Entry::whiteout("d/a"),
        opaque("d"),
    ][..];
    let tree = tree_of(&[lower, upper]);
    assert_eq!(paths(&tree), ["d", "d/a", "d/new"]);
    assert_eq!(
        tree.get(b"d/a").unwrap().entry().kind,
        Kind::File { size: 2 }
    );
    // The directory itself stays as it was.
    assert_eq!(tree.get(b"d").unwrap().inode().layer(), Some(0));
}

#[test]
fn entries_below_a_link_go_where_it_leads() {
    let lower = &[
        directory("usr"),
        directory("usr/lib"),
        symlink("lib", "usr/lib"),
        file("usr/lib/old", 1),
    ];
    let tree = tree_of(&[lower, &[file("lib/x", 1), Entry::whiteout("lib/old")]]);
    assert_eq!(paths(&tree), ["lib", "usr", "usr/lib", "usr/lib/x"]);
    // A layer that makes a directory of the link means what is in it for that directory.
    let tree = tree_of(&[
        lower,
        &[
            directory("lib"),
            file("lib/x", 1),
            Entry::whiteout("lib/old"),
            opaque("lib"),
        ],
    ]);
    assert_eq!(
        paths(&tree),
        ["lib", "lib/x", "usr", "usr/lib", "usr/lib/old"]
    );
}

#[test]
fn what_a_directory_holds_does_not_change_where_it_is() {
    let lower = &[directory("d"), directory("e"), symlink("d/x", "../e")][..];
    let tree = tree_of(&[lower, &[file("d/new", 1), file("d/x/in-e", 1)]]);
    assert_eq!(paths(&tree), ["d", "d/new", "d/x", "e", "e/in-e"]);
    let error = Tree::of([&layer(&[file("f", 1), file("f/x", 1)]).1]).unwrap_err();
    assert_eq!(error.to_string(), "`f/x` of layer 0 has no place");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "`f` cannot be followed: `f` is not a directory");
}

#[test]
fn a_link_that_is_replaced_leads_nowhere_any_more() {
    let entries = [
        directory("d"),
        symlink("d/self", "."),
        file("d/self/self", 1),
        file("d/x", 1),
    ];
    assert_eq!(paths(&tree_of(&[&entries])), ["d", "d/self", "d/x"]);
    let again = [&entries[..3], &[file("d/self/y", 1)]].concat();
    let error = Tree::of([&layer(&again).1]).unwrap_err();
    assert!(matches!(error, TreeError::Parent { .. }), "{error}");
}

#[test]
fn links_that_leave_the_root_stay_in_it() {
    let tree = tree_of(&[&[
        directory("a"),
        symlink("a/up", "../../../b"),
        symlink("a/absolute", "/b/c"),
        directory("b"),
        file("b/c", 1),
    ]]);
    for (path, real) in [
        ("a/up/c", "b/c"),
        ("/a/absolute", "b/c"),
        ("../../a//up/./c", "b/c"),
        ("a/..", ""),
        ("a/up/../a", "a"),
        ("a/missing/deep/../x", "a/missing/x"),
    ] {
        let resolved = tree.resolve(path.as_bytes(), true).unwrap();
        assert_eq!(String::from_utf8(resolved.path).unwrap(), real, "{path}");
    }
    assert_eq!(
        tree.resolve(b"a/absolute", false).unwrap().path,
        b"a/absolute"
    );
    assert_eq!(tree.resolve(b"a/up/", false).unwrap().path, b"a/up");
    assert!(tree.resolve(b"a/missing", true).unwrap().node.is_none());
}

#[test]
fn links_in_circles_and_ways_through_files_are_errors() {
    let tree = tree_of(&[&[symlink("a", "b"), symlink("b", "a"), file("f", 1)]]);
    let error = tree.resolve(b"a", true).unwrap_err();
    assert!(
        matches!(error, ResolveError::TooManyLinks { .. }),
        "{error}"
    );
    assert!(tree.resolve(b"a", false).is_ok());
    let error = tree.resolve(b"f/x", true).unwrap_err();
    let expected = "`f/x` cannot be followed: `f` is not a directory";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let entries: Vec<_> = (0..41)
        .map(|n| symlink(&format!("l{n}"), &format!("l{}", n + 1)))
        .collect();
    let tree = tree_of(&[&entries]);
    assert_eq!(tree.resolve(b"l1", true).unwrap().path, b"l41");
    assert!(tree.resolve(b"l0", true).is_err());
}

#[test]
fn hard_links_are_the_file_and_outlive_its_first_name() {
    let tree = tree_of(&[
        &[
            file("a", 10),
            hardlink("b", "a"),
            symlink("s", "a"),
            hardlink("t", "s"),
        ],
        &[file("a", 20), hardlink("c", "b")],
    ]);
    let inode = |path: &[u8]| tree.get(path).unwrap().inode();
    assert_ne!(inode(b"a"), inode(b"b"));
    assert_eq!(inode(b"b"), inode(b"c"));
    assert_eq!(inode(b"s"), inode(b"t"));
    assert_eq!(
        tree.get(b"c").unwrap().entry().kind,
        Kind::File { size: 10 }
    );
    assert_eq!(
        tree.get(b"c").unwrap().diff_id(),
        Some(&tree.layers()[0].diff_id)
    );
}

#[test]
fn hard_links_to_nothing_or_to_directories_are_errors() {
    let mut tree = tree_of(&[&[directory("d")]]);
    for (target, word) in [
        ("missing", "not there"),
        ("d", "a directory"),
        ("d/x/y", "not there"),
    ] {
        let error = tree
            .apply(&layer(&[file("new", 1), hardlink("l", target)]).1)
            .unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(paths(&tree), ["d"]);
        assert_eq!(tree.layers().len(), 1);
    }
}

#[test]
fn directories_nested_by_the_thousand_do_not_end_the_stack() {
    // Each link doubles the depth: paths in the layer stay short, those in the tree do not.
    let deep = "d/".repeat(1500) + "d";
    let mut tree = tree_of(&[&[directory(&deep), symlink("link", &deep)]]);
    assert_eq!(tree.walk(b"").count(), 1503);
    let beyond = layer(&[directory(&("link/".to_owned() + &deep))]).1;
    let error = tree.apply(&beyond).unwrap_err();
    assert!(matches!(error, TreeError::TooLong { .. }), "{error}");
    drop(tree.clone());
    drop(tree);
}

#[test]
fn walking_can_leave_directories_out() {
    let tree = tree_of(&[&[
        directory("a"),
        file("a/x", 1),
        directory("b"),
        file("b/y", 1),
        file("c", 1),
    ]]);
    let mut walk = tree.walk(b"");
    let mut seen = Vec::new();
    while let Some((path, _)) = walk.advance() {
        let path = String::from_utf8(path.to_vec()).unwrap();
        if path == "a" || path == "c" {
            walk.skip_children();
        }
        seen.push(path);
    }
    assert_eq!(seen, ["", "a", "b", "b/y", "c"]);
    let below: Vec<_> = tree.walk(b"b").map(|(path, _)| path).collect();
    assert_eq!(below, [&b"b"[..], b"b/y"]);
}

#[test]
fn users_come_from_the_topmost_passwd_through_links() {
    let passwd = |content: &[u8]| {
        let mut writer = kiln_layer::LayerWriter::new(Vec::new());
        let entry = file("etc/passwd", content.len() as u64);
        writer.file(&entry, &mut &content[..]).unwrap();
        writer.entry(&symlink("alias", "etc/passwd")).unwrap();
        Arc::new(writer.finish().unwrap().1)
    };
    let lower = passwd(b"app:x:1:1:::\n");
    let upper = passwd(b"app:x:2:2:::\n");
    let tree = Tree::of([&lower, &upper]).unwrap();
    assert_eq!(Users::of(&tree).user(b"app").unwrap().uid, 2);
    assert_eq!(tree.kept(b"alias").unwrap(), b"app:x:2:2:::\n");
    assert_eq!(Users::of(&Tree::new()), Users::default());
}

#[test]
fn trees_are_shared_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Tree>();
    check::<LayerIndex>();
}
