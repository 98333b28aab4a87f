//! Random entries and layers, and small makers of both.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use kiln_layer::entry::clean_path;
use kiln_layer::{ContentAt, Dialect, Entry, IndexEntry, Kind, LayerIndex, LayerWriter, Time};
use kiln_layer::{TarReader, TarWriter};
use kiln_oci::Digest;
use proptest::prelude::*;

/// A path whose components are any bytes but NUL and slash, most of them short.
pub(crate) fn path() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => prop::sample::select(b"ab-._".to_vec()),
        1 => 1_u8..=255,
    ];
    let name = prop::collection::vec(byte, 1..12);
    let long = prop::collection::vec(prop::sample::select(b"xyz".to_vec()), 90..260);
    let component = prop_oneof![8 => name, 1 => long];
    prop::collection::vec(component, 1..5).prop_filter_map("a clean path", |components| {
        let path = clean_path(&components.join(&b'/')).ok()?;
        (!path.is_empty()).then_some(path)
    })
}

pub(crate) fn time() -> impl Strategy<Value = Time> {
    let seconds = prop_oneof![
        4 => 0_i64..2_000_000_000,
        1 => any::<i32>().prop_map(i64::from),
        1 => -(1_i64 << 60)..(1_i64 << 60),
    ];
    (seconds, prop_oneof![Just(0), 0_u32..1_000_000_000])
        .prop_map(|(seconds, nanos)| Time { seconds, nanos })
}

pub(crate) fn id() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..2000, 1 => any::<u32>()]
}

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    let device = || (0_u32..1 << 21, 0_u32..1 << 21);
    let target = prop::collection::vec(1_u8..=255, 1..150);
    prop_oneof![
        4 => (0_u64..3000).prop_map(|size| Kind::File { size }),
        2 => Just(Kind::Directory),
        2 => target.prop_map(|target| Kind::Symlink { target }),
        2 => path().prop_map(|target| Kind::Hardlink { target }),
        1 => device().prop_map(|(major, minor)| Kind::Char { major, minor }),
        1 => device().prop_map(|(major, minor)| Kind::Block { major, minor }),
        1 => Just(Kind::Fifo),
    ]
}

pub(crate) fn xattrs() -> impl Strategy<Value = BTreeMap<Vec<u8>, Vec<u8>>> {
    let name = "(user|security|trusted)\\.[a-z.]{1,9}".prop_map(String::into_bytes);
    let value = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        3 => Just(BTreeMap::new()),
        1 => prop::collection::btree_map(name, value, 0..3),
    ]
}

/// Any entry that an archive can hold.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let ids = (id(), id());
    (path(), kind(), 0_u32..0o10000, ids, time(), xattrs()).prop_map(
        |(path, kind, mode, (uid, gid), mtime, xattrs)| Entry {
            path,
            kind,
            mode,
            uid,
            gid,
            mtime,
            xattrs,
        },
    )
}

/// The content that tests give a file: it follows from path and size.
pub(crate) fn content_of(entry: &Entry) -> Vec<u8> {
    let Kind::File { size } = entry.kind else {
        return Vec::new();
    };
    let seed = entry.path.iter().fold(7_u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    (0..size)
        .map(|at| (seed.wrapping_add(at).wrapping_mul(0x9e37_79b9) >> 13) as u8)
        .collect()
}

/// An archive of the entries.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new()).with_nanos();
    for entry in entries {
        match entry.kind {
            Kind::File { .. } => tar.file(entry, &mut &content_of(entry)[..]).unwrap(),
            _ => tar.entry(entry).unwrap(),
        }
    }
    tar.finish().unwrap()
}

/// All entries of an archive with the content of the files.
pub(crate) fn read_all(bytes: &[u8], dialect: Dialect) -> Vec<(Entry, Vec<u8>)> {
    let mut tar = TarReader::new(bytes, dialect);
    let mut all = Vec::new();
    while let Some(entry) = tar.next_entry().unwrap() {
        let mut content = Vec::new();
        tar.read_to_end(&mut content).unwrap();
        all.push((entry, content));
    }
    all
}

/// A layer of the entries: its tar and its index.
pub(crate) fn layer(entries: &[Entry]) -> (Vec<u8>, Arc<LayerIndex>) {
    let mut layer = LayerWriter::new(Vec::new());
    for entry in entries {
        match entry.kind {
            Kind::File { .. } => drop(layer.file(entry, &mut &content_of(entry)[..]).unwrap()),
            _ => layer.entry(entry).unwrap(),
        }
    }
    let (tar, index) = layer.finish().unwrap();
    (tar, Arc::new(index))
}

pub(crate) fn file(path: &str, size: u64) -> Entry {
    Entry {
        mode: 0o644,
        ..Entry::new(path, Kind::File { size })
    }
}

pub(crate) fn symlink(path: &str, target: &str) -> Entry {
    let target = target.into();
    Entry {
        mode: 0o777,
        ..Entry::new(path, Kind::Symlink { target })
    }
}

pub(crate) fn hardlink(path: &str, target: &str) -> Entry {
    let target = target.into();
    Entry::new(path, Kind::Hardlink { target })
}

pub(crate) fn directory(path: &str) -> Entry {
    Entry::directory(path, 0o755)
}

pub(crate) fn opaque(path: &str) -> Entry {
    Entry::new(path, Kind::Opaque)
}

/// The tars of some layers, as a place where their content is.
#[derive(Default)]
pub(crate) struct Tars(pub(crate) Vec<(Digest, Vec<u8>)>);

impl ContentAt for Tars {
    fn open_at(&self, layer: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>> {
        let (_, tar) = self
            .0
            .iter()
            .find(|(diff_id, _)| diff_id == layer)
            .ok_or(io::ErrorKind::NotFound)?;
        let stored = tar[entry.offset as usize..][..entry.stored_size() as usize].to_vec();
        Ok(Box::new(entry.expand(io::Cursor::new(stored))))
    }
}
