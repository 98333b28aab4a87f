//! Whatever bytes come as a layer, an archive or a layer index: reading ends, nothing leads out of
//! the root, and what was understood survives every way round.
//!
//! The last byte of the input chooses what the rest is taken for.

#![no_main]

use std::io::{self, Read};
use std::sync::Arc;

use kiln_layer::entry::check_path;
use kiln_layer::single_pass::index_tar_as;
use kiln_layer::{
    ContentAt, Dialect, Entry, IndexEntry, Kind, LayerIndex, LayerWriter, Limits, SCHEMA, TarReader,
    Tree, squash,
};
use kiln_oci::Digest;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    headers: 2000,
    metadata: 1 << 20,
    holes: 1 << 20,
};

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_last() else {
        return;
    };
    match mode % 4 {
        0 => archive(data),
        1 => layer(data),
        2 => layer(&repaired(data)),
        _ => index(data),
    }
});

fn archive(data: &[u8]) {
    for bytes in [data, &repaired(data)] {
        let mut tar = TarReader::with_limits(bytes, Dialect::Archive, LIMITS);
        while let Ok(Some(entry)) = tar.next_entry() {
            check(&entry);
            assert!(!entry.kind.is_removal());
            let mut some = [0; 700];
            if tar.read(&mut some).is_err() {
                return;
            }
        }
    }
}

fn layer(data: &[u8]) {
    let mut tee = Vec::new();
    let Ok(index) = index_tar_as(Dialect::Layer, data, &mut tee, LIMITS) else {
        return;
    };
    assert_eq!(tee, data);
    assert_eq!(index.diff_id, Digest::sha256(data));
    survives(&index);
    let index = Arc::new(index);
    let Some(tree) = merged(&index) else {
        return;
    };
    let mut out = LayerWriter::new(Vec::new());
    let squashed = squash(None, &[Arc::clone(&index)], &Tar(data), &mut out);
    // What a hostile layer names, ours may not be able to write.
    let Ok(_) = squashed else {
        return;
    };
    let (_, one) = out.finish().expect("because memory takes it all");
    assert!(one.is_self_contained());
    let one = Tree::of([&Arc::new(one)]).expect("because it is self-contained");
    assert!(tree.walk(b"").map(|(path, _)| path).eq(one.walk(b"").map(|(path, _)| path)));
}

/// The bytes as the body of an index whose begin and checksum are right.
fn index(data: &[u8]) {
    let mut bytes = b"kilnidx\0".to_vec();
    bytes.extend_from_slice(&SCHEMA.to_le_bytes());
    bytes.extend_from_slice(data);
    let checksum = Digest::sha256(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    if let Ok(index) = LayerIndex::decode(&bytes) {
        survives(&index);
        merged(&Arc::new(index));
    }
}

fn check(entry: &Entry) {
    check_path(&entry.path).expect("because the reader gives clean paths");
    assert!(entry.mode <= 0o7777);
    if let Kind::Hardlink { target } = &entry.kind {
        check_path(target).expect("because the reader gives clean targets");
    }
}

fn survives(index: &LayerIndex) {
    for indexed in &index.entries {
        check(&indexed.entry);
    }
    let again = LayerIndex::decode(&index.encode());
    assert_eq!(again.as_ref(), Ok(index));
}

/// The layer's tree, which must hold together; and twice the layer must do no harm either.
fn merged(index: &Arc<LayerIndex>) -> Option<Tree> {
    let mut tree = Tree::new();
    tree.apply(index).ok()?;
    for (path, node) in tree.walk(b"") {
        let entry = node.entry();
        assert_eq!(node.is_directory(), entry.kind == Kind::Directory);
        let found = tree.get(&path).expect("because the walk found it");
        assert_eq!(found.inode(), node.inode());
        let resolved = tree.resolve(&path, false).expect("because its parents are directories");
        assert_eq!(resolved.path, path);
        if let Ok(resolved) = tree.resolve(&path, true) {
            check_path(&resolved.path).ok();
        }
    }
    let mut twice = tree.clone();
    if twice.apply(index).is_ok() {
        twice.walk(b"").for_each(drop);
    }
    Some(tree)
}

struct Tar<'a>(&'a [u8]);

impl ContentAt for Tar<'_> {
    fn open_at(&self, _: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>> {
        let stored = self.0[entry.offset as usize..][..entry.stored_size() as usize].to_vec();
        Ok(Box::new(entry.expand(io::Cursor::new(stored))))
    }
}

/// With the checksums of all headers made right, so that changes get past them.
fn repaired(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    for block in bytes.chunks_exact_mut(512).filter(|block| block[257..].starts_with(b"ustar")) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    bytes
}
