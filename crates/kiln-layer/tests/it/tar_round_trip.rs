//! What the writer writes, the reader reads.

use std::io::{self, Read};

use kiln_layer::tar::TarErrorKind;
use kiln_layer::{Dialect, Entry, Kind, TarReader, TarWriter, Time};
use proptest::prelude::*;

use crate::samples::{archive, content_of, directory, entry, file, read_all};

proptest! {
    #[test]
    fn any_entries_come_back(entries in prop::collection::vec(entry(), 0..12)) {
        let bytes = archive(&entries);
        prop_assert_eq!(bytes.len() % 512, 0);
        let expected: Vec<_> =
            entries.into_iter().map(|entry| { let content = content_of(&entry); (entry, content) }).collect();
        prop_assert_eq!(read_all(&bytes, Dialect::Archive), expected);
    }

    #[test]
    fn the_same_entries_give_the_same_bytes(entries in prop::collection::vec(entry(), 0..6)) {
        prop_assert_eq!(archive(&entries), archive(&entries));
    }

    #[test]
    fn a_cut_archive_is_an_error_or_ends_between_entries(
        entries in prop::collection::vec(entry(), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = archive(&entries);
        let cut = cut.index(bytes.len());
        let mut tar = TarReader::new(&bytes[..cut], Dialect::Archive);
        let mut read = 0;
        let error = loop {
            match tar.next_entry() {
                Ok(Some(_)) => read += 1,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        match error {
            Some(error) => prop_assert!(matches!(error.kind, TarErrorKind::Truncated), "{}", error),
            None => prop_assert!(cut % 512 == 0 && read <= entries.len()),
        }
    }
}

#[test]
fn times_are_cut_to_seconds_unless_asked() {
    let mut entry = directory("a");
    entry.mtime = Time {
        seconds: -5,
        nanos: 999_999_999,
    };
    let mut tar = TarWriter::new(Vec::new());
    tar.entry(&entry).unwrap();
    let bytes = tar.finish().unwrap();
    assert_eq!(
        read_all(&bytes, Dialect::Archive)[0].0.mtime,
        Time::from_seconds(-5)
    );
    let mut tar = TarWriter::new(Vec::new()).with_nanos();
    tar.entry(&entry).unwrap();
    let bytes = tar.finish().unwrap();
    assert_eq!(read_all(&bytes, Dialect::Archive)[0].0.mtime, entry.mtime);
}

/// A reader of zeros, and a writer that keeps only the begin.
struct Begin(Vec<u8>);

impl io::Write for Begin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = 8192_usize.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        // Pretend, so that nobody has to wait for gigabytes: the header is what matters.
        if room == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(bytes.len())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn sizes_above_eight_gibibytes_are_told_in_the_header() {
    for size in [(8 << 30) - 1, 8 << 30, 1 << 50, i64::MAX as u64] {
        let mut begin = Begin(Vec::new());
        let mut tar = TarWriter::new(&mut begin);
        let error = tar
            .file(&file("big", size), &mut io::repeat(0))
            .unwrap_err();
        assert!(matches!(error.kind, TarErrorKind::Io(_)), "{error}");
        let mut tar = TarReader::new(&begin.0[..], Dialect::Archive);
        let entry = tar.next_entry().unwrap().unwrap();
        assert_eq!(entry.kind, Kind::File { size });
        assert!(matches!(
            tar.next_entry().unwrap_err().kind,
            TarErrorKind::Truncated
        ));
    }
    let mut tar = TarWriter::new(Vec::new());
    let error = tar
        .file(&file("big", 1 << 63), &mut io::empty())
        .unwrap_err();
    assert!(matches!(error.kind, TarErrorKind::Size { .. }), "{error}");
}

#[test]
fn content_of_another_length_is_refused() {
    for (content, expected) in [(&b"12"[..], "but 2"), (b"1234", "but longer")] {
        let mut tar = TarWriter::new(Vec::new());
        let error = tar.file(&file("a/b", 3), &mut &content[..]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("`a/b`") && message.contains(expected),
            "{message}"
        );
    }
}

#[test]
fn what_an_archive_cannot_hold_is_refused() {
    let unclean = Entry::directory("a/../b", 0o755);
    let absolute = Entry::directory("/a", 0o755);
    let no_target = Entry::new("a", Kind::Symlink { target: Vec::new() });
    let device = Entry::new(
        "a",
        Kind::Char {
            major: 1 << 21,
            minor: 0,
        },
    );
    let root_file = Entry::new("", Kind::Fifo);
    let mut xattr = directory("a");
    xattr.xattrs.insert(b"user.a=b".to_vec(), Vec::new());
    let mut mode = directory("a");
    mode.mode = 0o40755;
    for entry in [
        unclean,
        absolute,
        no_target,
        device,
        root_file,
        xattr,
        mode,
        file("a", 1),
    ] {
        let mut tar = TarWriter::new(Vec::new());
        assert!(tar.entry(&entry).is_err(), "{entry:?}");
        assert_eq!(tar.offset(), 0);
    }
}

#[test]
fn unread_content_is_skipped_and_offsets_are_those_of_the_data() {
    let entries = [file("a", 700), file("b", 0), file("c", 512), file("d", 5)];
    let bytes = archive(&entries);
    let mut tar = TarReader::new(&bytes[..], Dialect::Layer);
    for entry in &entries {
        assert_eq!(tar.next_entry().unwrap().as_ref(), Some(entry));
        let content = content_of(entry);
        let offset = tar.offset() as usize;
        assert_eq!(bytes[offset..offset + content.len()], content);
        let mut some = [0; 3];
        let read = tar.read(&mut some).unwrap();
        assert_eq!(some[..read], content[..read]);
    }
    assert_eq!(tar.next_entry().unwrap(), None);
    assert_eq!(tar.next_entry().unwrap(), None);
    assert_eq!(tar.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn whiteout_names_have_a_meaning_in_layers_only() {
    let entries = [
        directory("d"),
        Entry::new("d", Kind::Opaque),
        Entry::whiteout("d/gone"),
        Entry::whiteout("top"),
    ];
    let bytes = archive(&entries);
    let layer: Vec<_> = read_all(&bytes, Dialect::Layer)
        .into_iter()
        .map(|(entry, _)| entry)
        .collect();
    assert_eq!(layer, entries);
    let names: Vec<_> = read_all(&bytes, Dialect::Archive)
        .into_iter()
        .map(|(entry, _)| String::from_utf8(entry.path).unwrap())
        .collect();
    assert_eq!(names, ["d", "d/.wh..wh..opq", "d/.wh.gone", ".wh.top"]);
}

#[test]
fn leftovers_of_aufs_are_dropped() {
    let entries = [
        directory(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2", 700),
        file(".wh..wh.aufs", 3),
        file("kept", 3),
        file("d/.wh..wh.orph/x", 3),
    ];
    let read = read_all(&archive(&entries), Dialect::Layer);
    let expected = (entries[3].clone(), content_of(&entries[3]));
    assert_eq!(read, [expected]);
}
