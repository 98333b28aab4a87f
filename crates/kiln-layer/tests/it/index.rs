//! The encoded form of a layer index.

use std::collections::BTreeMap;

use kiln_layer::tar::Extent;
use kiln_layer::{Entry, IndexEntry, InvalidIndex, Kind, LayerIndex, SCHEMA, Time};
use kiln_oci::Digest;
use proptest::prelude::*;

use crate::samples::{directory, entry, file, hardlink, layer, opaque};

fn digest() -> impl Strategy<Value = Digest> {
    let sha512 = "sha512:[0-9a-f]{128}".prop_map(|text| text.parse().unwrap());
    prop_oneof![4 => any::<[u8; 32]>().prop_map(Digest::from_sha256), 1 => sha512]
}

fn index_entry() -> impl Strategy<Value = IndexEntry> {
    let extents = prop_oneof![
        4 => Just(Vec::new()),
        1 => Just(vec![Extent { offset: 0, len: 0 }]),
    ];
    let kept = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..50));
    let removal = prop_oneof![Just(Kind::Whiteout), Just(Kind::Opaque)];
    let entry = (entry(), prop::option::weighted(0.2, removal)).prop_map(|(mut entry, removal)| {
        entry.kind = removal.unwrap_or(entry.kind);
        entry
    });
    (
        entry,
        prop::option::of(digest()),
        any::<u64>(),
        extents,
        kept,
    )
        .prop_map(|(entry, content, offset, extents, kept)| IndexEntry {
            entry,
            content,
            offset,
            extents,
            kept,
        })
}

fn index() -> impl Strategy<Value = LayerIndex> {
    (
        digest(),
        any::<u64>(),
        prop::collection::vec(index_entry(), 0..20),
    )
        .prop_map(|(diff_id, size, entries)| LayerIndex {
            diff_id,
            size,
            entries,
        })
}

/// With its checksum made right again.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 32;
    let checksum = Digest::sha256(&bytes[..end]);
    bytes[end..].copy_from_slice(checksum.as_bytes());
    bytes
}

proptest! {
    #[test]
    fn any_index_comes_back(index in index()) {
        let bytes = index.encode();
        prop_assert_eq!(&LayerIndex::decode(&bytes), &Ok(index));
    }

    #[test]
    fn damage_is_noticed(index in index(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = index.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(LayerIndex::decode(&bytes).is_err());
        prop_assert!(LayerIndex::decode(&bytes[..at]).is_err());
    }

    /// Bytes with a right checksum that kiln did not write: an error, or an index that is in order.
    #[test]
    fn forged_indexes_never_panic(
        index in index(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = index.encode();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(index) = LayerIndex::decode(&resealed(bytes)) {
            for indexed in &index.entries {
                prop_assert!(kiln_layer::entry::check_path(&indexed.entry.path).is_ok());
            }
            prop_assert_eq!(&LayerIndex::decode(&index.encode()), &Ok(index));
        }
    }
}

#[test]
fn other_versions_are_told_apart_from_damage() {
    let (_, index) = layer(&[directory("a")]);
    let mut bytes = index.encode();
    assert_eq!(
        LayerIndex::decode(b"something else"),
        Err(InvalidIndex::NotAnIndex)
    );
    assert_eq!(LayerIndex::decode(b""), Err(InvalidIndex::NotAnIndex));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(LayerIndex::decode(&bytes), Err(InvalidIndex::Checksum));
    bytes[8..10].copy_from_slice(&(SCHEMA + 1).to_le_bytes());
    let other = InvalidIndex::Schema { found: SCHEMA + 1 };
    assert_eq!(LayerIndex::decode(&bytes), Err(other));
}

#[test]
fn a_count_of_billions_takes_no_memory() {
    let index = LayerIndex {
        diff_id: Digest::sha256(b""),
        size: 0,
        entries: Vec::new(),
    };
    let mut bytes = index.encode();
    let count = bytes.len() - 33;
    assert_eq!(bytes[count], 0);
    bytes.splice(count..=count, [0xff, 0xff, 0xff, 0xff, 0x7f]);
    let error = LayerIndex::decode(&resealed(bytes)).unwrap_err();
    assert!(
        error.to_string().contains("more entries than bytes"),
        "{error}"
    );
}

#[test]
fn paths_that_share_their_begin_are_short() {
    let names = (0..1000).map(|n| format!("usr/share/very/deep/directory/of/documents/{n:04}"));
    let (_, index) = layer(&names.map(|name| file(&name, 10)).collect::<Vec<_>>());
    let per_entry = index.encode().len() / 1000;
    // 32 of them are the digest.
    assert!(per_entry < 44, "{per_entry}");
}

#[test]
fn a_layer_is_self_contained_when_nothing_in_it_needs_another() {
    let contained = |entries: &[Entry]| layer(entries).1.is_self_contained();
    assert!(contained(&[]));
    assert!(contained(&[
        directory(""),
        directory("a"),
        file("a/b", 1),
        hardlink("c", "a/b")
    ]));
    assert!(contained(&[
        directory("a"),
        Entry::whiteout("a/x"),
        opaque("a"),
        Entry::whiteout("y")
    ]));
    assert!(contained(&[
        directory("a"),
        directory("a"),
        file("x", 1),
        file("x", 2)
    ]));
    for entries in [
        &[file("a/b", 1)][..],
        &[file("a/b", 1), directory("a")],
        &[Entry::whiteout("a/b")],
        &[opaque("a")],
        &[hardlink("a", "b")],
        &[hardlink("a", "b"), file("b", 1)],
        &[directory("b"), hardlink("a", "b")],
        &[file("a", 1), file("a/b", 1)],
        &[directory("a"), file("a", 1), file("a/b", 1)],
    ] {
        assert!(!contained(entries), "{entries:?}");
    }
}

#[test]
fn holes_are_filled_from_what_is_stored() {
    let mut indexed = IndexEntry {
        entry: Entry {
            mtime: Time::default(),
            xattrs: BTreeMap::new(),
            ..file("a", 8)
        },
        content: None,
        offset: 0,
        extents: vec![Extent { offset: 2, len: 3 }],
        kept: None,
    };
    let expanded = |indexed: &IndexEntry| {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut indexed.expand(&b"12345678"[..]), &mut all).unwrap();
        all
    };
    assert_eq!((indexed.size(), indexed.stored_size()), (8, 3));
    assert_eq!(expanded(&indexed), b"\0\x00123\0\0\0");
    indexed.extents = vec![Extent { offset: 0, len: 0 }];
    assert_eq!((indexed.stored_size(), expanded(&indexed)), (0, vec![0; 8]));
    indexed.extents.clear();
    assert_eq!(
        (indexed.stored_size(), expanded(&indexed)),
        (8, b"12345678".to_vec())
    );
}
