//! Archives that want to do harm, or are damaged.

use std::io::Read;

use kiln_layer::tar::TarErrorKind;
use kiln_layer::{Dialect, Kind, Limits, TarError, TarReader, Time};
use proptest::prelude::*;

use crate::raw::{Raw, ended, pax};
use crate::samples::{archive, directory, file, hardlink, read_all, symlink};

/// The error that reading all of it gives.
fn error_of(bytes: &[u8], dialect: Dialect) -> TarError {
    let mut tar = TarReader::new(bytes, dialect);
    loop {
        match tar.next_entry() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was accepted"),
            Err(error) => {
                assert_eq!(
                    tar.next_entry().unwrap(),
                    None,
                    "nothing comes after an error"
                );
                return error;
            }
        }
    }
}

#[test]
fn paths_that_lead_out_are_refused_and_absolute_ones_made_relative() {
    for name in [&b"../a"[..], b"a/../../b", b"..", b"a/.."] {
        let error = error_of(&ended(&[Raw::new(name, b'0').bytes()]), Dialect::Archive);
        assert!(matches!(error.kind, TarErrorKind::Path(_)), "{error}");
        let link = Raw::new(b"a", b'1').set(157, name).bytes();
        let error = error_of(&ended(&[link]), Dialect::Archive);
        assert!(
            matches!(error.kind, TarErrorKind::LinkTarget { .. }),
            "{error}"
        );
    }
    let absolute = ended(&[Raw::new(b"//etc//./passwd", b'0').bytes()]);
    assert_eq!(
        read_all(&absolute, Dialect::Archive)[0].0.path,
        b"etc/passwd"
    );
    // Symbolic links may point anywhere; following them safely is the tree's affair.
    let link = ended(&[Raw::new(b"a", b'2').set(157, b"../../x").bytes()]);
    let target = b"../../x".to_vec();
    assert_eq!(
        read_all(&link, Dialect::Archive)[0].0.kind,
        Kind::Symlink { target }
    );
}

#[test]
fn only_a_directory_is_the_root() {
    for flag in [b'0', b'2', b'6'] {
        let raw = Raw::new(b"/", flag).set(157, b"x").bytes();
        // Version 7 has directories as files with a slash.
        let error = match flag {
            b'0' => error_of(&ended(&[pax(&[("path", b".")]), raw]), Dialect::Layer),
            _ => error_of(&ended(&[raw]), Dialect::Layer),
        };
        assert!(matches!(error.kind, TarErrorKind::Path(_)), "{error}");
    }
}

#[test]
fn whiteouts_without_a_victim_are_refused() {
    for name in [&b".wh."[..], b"a/.wh.", b"a/.wh...", b".wh..", b"a/.wh.b/c"] {
        let bytes = ended(&[Raw::new(name, b'0').bytes()]);
        let error = error_of(&bytes, Dialect::Layer);
        assert!(matches!(error.kind, TarErrorKind::Whiteout(_)), "{error}");
        assert_eq!(read_all(&bytes, Dialect::Archive).len(), 1);
    }
    let error = error_of(&archive(&[hardlink("a", "b/.wh.c")]), Dialect::Layer);
    assert!(matches!(error.kind, TarErrorKind::Whiteout(_)), "{error}");
}

#[test]
fn errors_say_where() {
    let mut bytes = archive(&[file("a", 1000), file("b", 10)]);
    bytes[1536] ^= 1;
    let error = error_of(&bytes, Dialect::Layer);
    assert_eq!(error.offset, 1536);
    assert!(matches!(error.kind, TarErrorKind::Checksum));
    assert!(error.to_string().contains("at byte 1536"), "{error}");
    let text = error_of(&[b'#'; 2048], Dialect::Layer);
    assert!(text.to_string().contains("not a tar archive"), "{text}");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let huge = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    for raw in [
        Raw::new(b"a", b'0').set(124, huge),
        Raw::new(b"a", b'0').set(124, b"9999999"),
        Raw::new(b"a", b'0').set(108, &[0xff; 8]),
        Raw::new(b"a", b'0').set(108, b"\x80\0\0\x01\0\0\0\0"),
        Raw::new(b"a", b'3').set(329, b"99"),
        Raw::new(b"a", b'0').set(136, b"-1"),
    ] {
        let error = error_of(&ended(&[raw.bytes()]), Dialect::Layer);
        assert!(matches!(error.kind, TarErrorKind::Number { .. }), "{error}");
    }
    for (key, value) in [
        ("size", "-1"),
        ("uid", "4294967296"),
        ("mtime", "x"),
        ("gid", "1.5"),
    ] {
        let bytes = ended(&[
            pax(&[(key, value.as_bytes())]),
            Raw::new(b"a", b'0').bytes(),
        ]);
        let error = error_of(&bytes, Dialect::Layer);
        assert!(matches!(error.kind, TarErrorKind::Number { .. }), "{error}");
    }
    let size = u64::MAX.to_string();
    let bytes = ended(&[
        pax(&[("size", size.as_bytes())]),
        Raw::new(b"a", b'0').bytes(),
    ]);
    let error = error_of(&bytes, Dialect::Layer);
    assert!(
        matches!(error.kind, TarErrorKind::Size { size: u64::MAX }),
        "{error}"
    );
}

#[test]
fn headers_that_never_end_are_refused() {
    for flag in [b'x', b'g', b'L', b'K'] {
        let big = Raw::new(b"x", flag).set(124, b"00077777777").bytes();
        let error = error_of(&ended(&[big]), Dialect::Archive);
        assert!(
            matches!(error.kind, TarErrorKind::TooMuch { .. }),
            "{error}"
        );
    }
    let limits = Limits {
        headers: 10,
        ..Limits::default()
    };
    let endless = pax(&[("comment", b"x")]).repeat(11);
    let mut tar = TarReader::with_limits(&endless[..], Dialect::Layer, limits);
    let error = tar.next_entry().unwrap_err();
    assert!(
        error.to_string().contains("more than 10 headers"),
        "{error}"
    );
}

#[test]
fn limits_hold_for_all_entries_together() {
    let entries: Vec<_> = (0..50).map(|n| directory(&format!("{n:0100}"))).collect();
    let limits = Limits {
        metadata: 4000,
        ..Limits::default()
    };
    let bytes = archive(&entries);
    let mut tar = TarReader::with_limits(&bytes[..], Dialect::Layer, limits);
    let mut read = 0;
    let error = loop {
        match tar.next_entry() {
            Ok(entry) => read += usize::from(entry.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(read, 40);
    assert!(
        matches!(error.kind, TarErrorKind::TooMuch { .. }),
        "{error}"
    );
}

#[test]
fn names_with_a_nul_and_endless_ones_are_refused() {
    let long = "a/".repeat(3000);
    for (key, value) in [
        ("path", &b"a\0b"[..]),
        ("linkpath", b"a\0b"),
        ("path", long.as_bytes()),
    ] {
        let bytes = ended(&[pax(&[(key, value)]), Raw::new(b"a", b'6').bytes()]);
        let error = error_of(&bytes, Dialect::Layer);
        assert!(matches!(error.kind, TarErrorKind::Path(_)), "{error}");
    }
    let bytes = ended(&[Raw::new(b"a", b'2').bytes()]);
    assert!(matches!(
        error_of(&bytes, Dialect::Layer).kind,
        TarErrorKind::LinkTarget { .. }
    ));
}

#[test]
fn entries_behind_the_end_are_refused_because_readers_disagree_on_them() {
    let entry = archive(&[file("hidden", 0)]);
    let bytes = [&[0; 512][..], &entry].concat();
    assert!(matches!(
        error_of(&bytes, Dialect::Layer).kind,
        TarErrorKind::AfterEnd
    ));
    // Padding behind the end is nobody's business, and a missing second block is common.
    let padded = [&entry[..], &[0; 9216]].concat();
    assert_eq!(read_all(&padded, Dialect::Layer).len(), 1);
    assert_eq!(
        read_all(&entry[..entry.len() - 512], Dialect::Layer).len(),
        1
    );
    assert_eq!(read_all(b"", Dialect::Layer), []);
}

#[test]
fn unknown_kinds_are_refused() {
    for flag in [b'M', b'N', b'A', b'9', 0xff] {
        let error = error_of(&ended(&[Raw::new(b"a", flag).bytes()]), Dialect::Archive);
        assert!(
            matches!(error.kind, TarErrorKind::Type(found) if found == flag),
            "{error}"
        );
    }
}

#[test]
fn maps_of_holes_that_lie_are_refused() {
    let old = |offset: &str, len: &str, size: &str| {
        let raw = Raw::new(b"a", b'S').data(&[b'x'; 10]);
        let raw = raw.set(257, b"ustar  \0").set(386, offset.as_bytes());
        ended(&[raw
            .set(398, len.as_bytes())
            .set(483, size.as_bytes())
            .bytes()])
    };
    let good = old("00000000100", "00000000012", "00000001000");
    let (entry, content) = read_all(&good, Dialect::Archive).remove(0);
    assert_eq!(entry.kind, Kind::File { size: 512 });
    assert_eq!(content[64..74], [b'x'; 10]);
    assert_eq!(content.len(), 512);
    for bad in [
        old("00000000100", "00000000013", "00000001000"),
        old("00000000100", "00000000011", "00000001000"),
        old("00000001000", "00000000012", "00000001000"),
        old("x0000000100", "00000000012", "00000001000"),
        old("00000000100", "00000000012", "\u{1}"),
    ] {
        let error = error_of(&bad, Dialect::Archive);
        assert!(matches!(error.kind, TarErrorKind::Sparse(_)), "{error}");
    }
    for records in [
        &[
            ("GNU.sparse.map", &b"0,1,2"[..]),
            ("GNU.sparse.size", b"10"),
        ][..],
        &[("GNU.sparse.map", b"0,x"), ("GNU.sparse.size", b"10")],
        &[("GNU.sparse.map", b"0,0")],
        &[("GNU.sparse.numbytes", b"1"), ("GNU.sparse.size", b"10")],
        &[("GNU.sparse.offset", b"1"), ("GNU.sparse.offset", b"1")],
        &[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"10")],
    ] {
        let bytes = ended(&[pax(records), Raw::new(b"a", b'0').bytes()]);
        let error = error_of(&bytes, Dialect::Archive);
        assert!(matches!(error.kind, TarErrorKind::Sparse(_)), "{error}");
    }
}

#[test]
fn a_hole_of_petabytes_is_refused() {
    let records = [
        ("GNU.sparse.map", &b""[..]),
        ("GNU.sparse.size", b"1125899906842624"),
    ];
    let bytes = ended(&[pax(&records), Raw::new(b"a", b'0').bytes()]);
    let error = error_of(&bytes, Dialect::Archive);
    assert!(error.to_string().contains("bytes of holes"), "{error}");
}

#[test]
fn reading_a_cut_file_says_so() {
    let bytes = archive(&[file("dir/cut", 5000)]);
    let mut tar = TarReader::new(&bytes[..2000], Dialect::Layer);
    tar.next_entry().unwrap().unwrap();
    let error = tar.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("dir/cut"), "{error}");
}

#[test]
fn attributes_that_steer_the_overlay_are_dropped() {
    let mut entry = symlink("a", "b");
    for name in [
        "trusted.overlay.redirect",
        "user.overlay.opaque",
        "user.kept",
    ] {
        entry.xattrs.insert(name.into(), b"y".to_vec());
    }
    let read = read_all(&archive(&[entry]), Dialect::Layer);
    let names: Vec<_> = read[0].0.xattrs.keys().collect();
    assert_eq!(names, [b"user.kept"]);
}

#[test]
fn records_count_more_than_fields_and_the_last_extended_header_counts() {
    let records: [(&str, &[u8]); 4] = [
        ("path", b"first"),
        ("uid", b"7"),
        ("mtime", b"-1.5"),
        ("comment", b"\0"),
    ];
    let long = Raw::new(b"././@LongLink", b'L').data(b"gnu/name\0").bytes();
    let global = Raw::new(b"g", b'g').data(b"8 gid=5\n").bytes();
    let bytes = ended(&[
        global,
        pax(&[("path", b"zero"), ("gid", b"9")]),
        long,
        pax(&records),
        Raw::new(b"field", b'0').bytes(),
        Raw::new(b"other", b'0').bytes(),
    ]);
    let read = read_all(&bytes, Dialect::Archive);
    let (first, other) = (&read[0].0, &read[1].0);
    assert_eq!(
        (&first.path[..], first.uid, first.gid),
        (&b"first"[..], 7, 5)
    );
    assert_eq!(
        first.mtime,
        Time {
            seconds: -2,
            nanos: 500_000_000
        }
    );
    assert_eq!(
        (&other.path[..], other.uid, other.gid),
        (&b"other"[..], 0, 5)
    );
    // Go's programs pass over global headers, and layers must mean the same to all.
    let read = read_all(&bytes, Dialect::Layer);
    assert_eq!((read[0].0.gid, read[1].0.gid), (0, 0));
}

proptest! {
    /// Whatever is flipped, reading ends, and with an error or entries that are in order.
    #[test]
    fn damaged_archives_never_panic(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        entries in prop::collection::vec(crate::samples::entry(), 1..6),
    ) {
        let mut bytes = archive(&entries);
        let at = at.index(bytes.len());
        bytes[at] = value;
        for dialect in [Dialect::Layer, Dialect::Archive] {
            let mut tar = TarReader::new(&bytes[..], dialect);
            while let Ok(Some(entry)) = tar.next_entry() {
                prop_assert!(kiln_layer::entry::check_path(&entry.path).is_ok());
                let mut content = Vec::new();
                if tar.read_to_end(&mut content).is_err() {
                    break;
                }
            }
        }
    }
}
