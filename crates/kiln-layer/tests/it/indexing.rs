//! The single pass: writing a layer and reading one must come to the same index.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln_layer::index::MAX_KEPT;
use kiln_layer::{
    Compression, Dialect, Entry, Kind, LayerError, LayerWriter, Limits, TarErrorKind, compressor,
    decompress, index_tar, index_tar_as,
};
use kiln_oci::Digest;
use proptest::prelude::*;

use crate::raw::{Raw, ended, pax};
use crate::samples::{archive, content_of, directory, entry, file, layer};

/// Entries that mean in a layer what they say.
fn writable(entry: &Entry) -> bool {
    let reserved = |path: &[u8]| {
        path.split(|byte| *byte == b'/')
            .any(|name| name.starts_with(b".wh."))
    };
    let link = matches!(&entry.kind, Kind::Hardlink { target } if reserved(target));
    !link && !reserved(&entry.path)
}

proptest! {
    #[test]
    fn reading_a_layer_gives_the_index_that_writing_it_gave(
        entries in prop::collection::vec(entry().prop_filter("a layer's", writable), 0..12),
        trailing in 0_usize..3,
    ) {
        let (mut tar, index) = layer(&entries);
        let mut tee = Vec::new();
        let read = index_tar(&tar[..], &mut tee).unwrap();
        prop_assert_eq!(&read, &*index);
        prop_assert_eq!(&tee, &tar);
        prop_assert_eq!(index.diff_id, Digest::sha256(&tar));
        // What pads the archive belongs to its digest.
        tar.resize(tar.len() + trailing * 512, 0);
        let read = index_tar(&tar[..], &mut io::sink()).unwrap();
        prop_assert_eq!(read.diff_id, Digest::sha256(&tar));
        prop_assert_eq!(read.size, tar.len() as u64);
    }
}

#[test]
fn every_file_has_the_digest_of_its_content_and_its_place() {
    let entries = [
        file("a", 5000),
        directory("d"),
        file("d/empty", 0),
        file("d/b", 3 << 20),
    ];
    let (tar, index) = layer(&entries);
    for (indexed, entry) in index.entries.iter().zip(&entries) {
        assert_eq!(&indexed.entry, entry);
        let content = content_of(entry);
        let is_file = matches!(entry.kind, Kind::File { .. });
        assert_eq!(indexed.content, is_file.then(|| Digest::sha256(&content)));
        let offset = indexed.offset as usize;
        assert_eq!(tar[offset..offset + content.len()], content);
    }
}

#[test]
fn files_that_are_looked_up_are_kept_unless_huge() {
    let entries = [
        file("etc/passwd", 100),
        file("etc/group", MAX_KEPT + 1),
        file("etc/hosts", 5),
    ];
    let (tar, index) = layer(&entries);
    assert_eq!(index.entries[0].kept, Some(content_of(&entries[0])));
    assert_eq!(index.entries[1].kept, None);
    assert_eq!(index.entries[2].kept, None);
    assert_eq!(index_tar(&tar[..], &mut io::sink()).unwrap(), *index);
}

#[test]
fn names_that_stand_for_removals_cannot_be_files() {
    for path in [".wh.a", "d/.wh.a", ".wh.d/a"] {
        let mut writer = LayerWriter::new(Vec::new());
        let error = writer.file(&file(path, 0), &mut io::empty()).unwrap_err();
        assert!(matches!(error, LayerError::Unwritable { .. }), "{error}");
    }
}

#[test]
fn content_of_another_length_names_the_file() {
    for content in [&[0_u8; 9][..], &[0; 11]] {
        let mut writer = LayerWriter::new(Vec::new());
        let error = writer
            .file(&file("a/b", 10), &mut &content[..])
            .unwrap_err();
        assert!(error.to_string().contains("`a/b`"), "{error}");
        let LayerError::Tar(error) = error else {
            panic!("{error}")
        };
        assert!(matches!(
            error.kind,
            TarErrorKind::ContentSize { expected: 10, .. }
        ));
        // What was written is no archive: nothing can be made of it by going on.
        assert!(writer.entry(&directory("d")).is_err());
        assert!(writer.finish().is_err());
    }
}

/// Fails after so many bytes, and counts how often it was dropped.
struct Failing(usize, Arc<AtomicUsize>);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = bytes.len().min(self.0);
        self.0 -= written;
        if written == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(written)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_full_disk_comes_out_as_what_it_is_however_late_it_is_noticed() {
    for room in [0, 600, 3 << 20, 30 << 20] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut writer = LayerWriter::new(Failing(room, Arc::clone(&dropped)));
        let result = writer
            .file(
                &file("a", 40 << 20),
                &mut io::Read::take(io::repeat(1), 40 << 20),
            )
            .map(drop)
            .and_then(|()| writer.finish().map(drop));
        let error = io::Error::from(result.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_dropped_writer_has_dropped_its_output() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut writer = LayerWriter::new(Failing(1 << 30, Arc::clone(&dropped)));
    writer.entry(&directory("a")).unwrap();
    drop(writer);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failing_tee_is_not_blamed_on_the_layer() {
    let tar = archive(&[file("a", 1 << 20)]);
    let dropped = Arc::new(AtomicUsize::new(0));
    let error = index_tar(&tar[..], &mut Failing(1000, dropped)).unwrap_err();
    let LayerError::Output { source } = error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn damaged_layers_are_refused_with_place_and_path() {
    let tar = archive(&[file("first", 10), file("second", 5000)]);
    let error = index_tar(&tar[..3000], &mut io::sink()).unwrap_err();
    assert!(error.to_string().contains("`second`"), "{error}");
    assert!(error.to_string().contains("at byte 3000"), "{error}");
}

#[test]
fn a_cut_compressed_layer_is_told_apart_from_a_cut_tar() {
    let tar = archive(&[file("a", 500_000)]);
    let mut out = compressor(Vec::new(), &Compression::default(), 1).unwrap();
    out.write_all(&tar).unwrap();
    let mut small = out.finish().unwrap();
    small.truncate(small.len() / 2);
    let (_, reader) = decompress(io::Cursor::new(small)).unwrap();
    let error = index_tar(reader, &mut io::sink()).unwrap_err();
    let LayerError::Tar(error) = error else {
        panic!("{error}")
    };
    assert!(matches!(error.kind, TarErrorKind::Io(_)), "{error}");
    assert!(error.to_string().contains("incomplete frame"), "{error}");
}

#[test]
fn an_archive_is_indexed_with_its_names_as_they_are() {
    let tar = archive(&[file(".wh.a", 3), file("b", 4)]);
    let limits = Limits::default();
    let index = index_tar_as(Dialect::Archive, &tar[..], &mut io::sink(), limits).unwrap();
    let paths: Vec<_> = index
        .entries
        .iter()
        .map(|indexed| &indexed.entry.path[..])
        .collect();
    assert_eq!(paths, [&b".wh.a"[..], b"b"]);
    assert!(
        index
            .entries
            .iter()
            .all(|indexed| indexed.content.is_some())
    );
}

#[test]
fn files_with_holes_are_indexed_with_their_map() {
    let records = [
        ("GNU.sparse.map", &b"512,4,1024,2"[..]),
        ("GNU.sparse.size", b"2000"),
    ];
    let tar = ended(&[pax(&records), Raw::new(b"a", b'0').data(b"abcdef").bytes()]);
    let index = index_tar(&tar[..], &mut io::sink()).unwrap();
    let indexed = &index.entries[0];
    let mut content = vec![0; 2000];
    content[512..516].copy_from_slice(b"abcd");
    content[1024..1026].copy_from_slice(b"ef");
    assert_eq!((indexed.size(), indexed.stored_size()), (2000, 6));
    assert_eq!(indexed.content, Some(Digest::sha256(&content)));
    let mut expanded = Vec::new();
    let stored = &tar[indexed.offset as usize..];
    io::Read::read_to_end(&mut indexed.expand(stored), &mut expanded).unwrap();
    assert_eq!(expanded, content);
}
