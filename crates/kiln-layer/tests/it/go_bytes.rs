//! Headers byte by byte as Go's `archive/tar` writes them for containerd and BuildKit.

use kiln_layer::{Entry, Kind, LayerWriter, TarWriter, Time};
use kiln_oci::Digest;

use crate::samples::{directory, file, hardlink, layer, opaque, symlink};

fn written(entry: &Entry) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    tar.entry(entry).unwrap();
    let mut bytes = tar.finish().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap()
}

#[test]
fn the_empty_layer_is_buildkits() {
    let (tar, index) = LayerWriter::new(Vec::new()).finish().unwrap();
    assert_eq!(tar, [0; 1024]);
    let known = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    assert_eq!(index.diff_id.to_string(), known);
    assert_eq!((index.size, index.entries.len()), (1024, 0));
}

#[test]
fn a_plain_header_has_every_field_where_go_puts_it() {
    let mut entry = directory("usr/share");
    (entry.uid, entry.gid) = (1000, 0o7_777_777);
    entry.mtime = Time {
        seconds: 1_700_000_000,
        nanos: 5,
    };
    let block = written(&entry);
    let mut expected = vec![0; 512];
    expected[..10].copy_from_slice(b"usr/share/");
    expected[100..108].copy_from_slice(b"0000755\0");
    expected[108..116].copy_from_slice(b"0001750\0");
    expected[116..124].copy_from_slice(b"7777777\0");
    expected[124..136].copy_from_slice(b"00000000000\0");
    expected[136..148].copy_from_slice(b"14524770400\0");
    expected[156] = b'5';
    expected[257..265].copy_from_slice(b"ustar\x0000");
    expected[329..337].copy_from_slice(b"0000000\0");
    expected[337..345].copy_from_slice(b"0000000\0");
    let sum: u32 = expected.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    expected[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(block, expected);
}

#[test]
fn every_kind_has_its_flag_and_name() {
    for (entry, name, flag, link) in [
        (file("a", 0), "a", b'0', ""),
        (hardlink("b", "x/a"), "b", b'1', "x/a"),
        (symlink("c", "../a"), "c", b'2', "../a"),
        (
            Entry::new("d", Kind::Char { major: 1, minor: 3 }),
            "d",
            b'3',
            "",
        ),
        (
            Entry::new("e", Kind::Block { major: 8, minor: 1 }),
            "e",
            b'4',
            "",
        ),
        (directory("f"), "f/", b'5', ""),
        (directory(""), "./", b'5', ""),
        (Entry::new("g", Kind::Fifo), "g", b'6', ""),
        (Entry::whiteout("h/i"), "h/.wh.i", b'0', ""),
        (Entry::whiteout("i"), ".wh.i", b'0', ""),
        (opaque("j"), "j/.wh..wh..opq", b'0', ""),
        (opaque(""), ".wh..wh..opq", b'0', ""),
    ] {
        let block = written(&entry);
        assert_eq!(block.len(), 512);
        assert_eq!(until_nul(&block[..100]), name.as_bytes());
        assert_eq!(block[156], flag);
        assert_eq!(until_nul(&block[157..257]), link.as_bytes());
    }
}

#[test]
fn long_names_are_split_at_a_slash_where_that_suffices() {
    let long = format!("{}/{}", "p".repeat(155), "n".repeat(100));
    let block = written(&file(&long, 0));
    assert_eq!(block.len(), 512);
    assert_eq!(&block[..100], "n".repeat(100).as_bytes());
    assert_eq!(&block[345..500], "p".repeat(155).as_bytes());
    // A directory's own slash counts to the name.
    let block = written(&directory(&format!(
        "{}/{}",
        "p".repeat(100),
        "n".repeat(50)
    )));
    assert_eq!(block.len(), 512);
    assert_eq!(
        until_nul(&block[..100]),
        format!("{}/", "n".repeat(50)).as_bytes()
    );
    assert_eq!(until_nul(&block[345..500]), "p".repeat(100).as_bytes());
}

#[test]
fn what_ustar_cannot_say_stands_in_records_sorted_by_key() {
    let name = "d/".to_owned() + &"n".repeat(120);
    let mut entry = file(&name, 0);
    entry.uid = 0o10_000_000;
    entry.mtime = Time::from_seconds(-1);
    entry
        .xattrs
        .insert(b"security.capability".to_vec(), b"\x01\0\0\x02\n=".to_vec());
    let bytes = written(&entry);
    assert_eq!(bytes.len(), 3 * 512);
    // The extended header: named below the file's directory, all numbers zero.
    let own_name = format!("d/PaxHeaders.0/{}", "n".repeat(120));
    assert_eq!(&bytes[..100], &own_name.as_bytes()[..100]);
    assert_eq!(&bytes[100..124], b"0000000\x000000000\x000000000\0");
    assert_eq!(&bytes[136..148], b"00000000000\0");
    assert_eq!(bytes[156], b'x');
    assert_eq!(&bytes[329..345], [0; 16]);
    let records = [
        &b"43 SCHILY.xattr.security.capability=\x01\0\0\x02\n=\n"[..],
        b"12 mtime=-1\n",
        format!("132 path={name}\n").as_bytes(),
        b"15 uid=2097152\n",
    ]
    .concat();
    assert_eq!(
        &bytes[124..136],
        format!("{:011o}\0", records.len()).as_bytes()
    );
    assert_eq!(&bytes[512..512 + records.len()], records);
    // The main header holds what fits.
    assert_eq!(&bytes[1024..1124], &name.as_bytes()[..100]);
    assert_eq!(&bytes[1024 + 108..1024 + 116], b"0000000\0");
    assert_eq!(&bytes[1024 + 136..1024 + 148], b"00000000000\0");
}

#[test]
fn names_that_are_not_ascii_keep_their_bytes_in_a_record() {
    for name in [&b"caf\xc3\xa9/x"[..], b"caf\xe9/x"] {
        let bytes = written(&Entry::new(name, Kind::File { size: 0 }));
        assert_eq!(bytes.len(), 3 * 512);
        assert_eq!(until_nul(&bytes[..100]), b"caf/PaxHeaders.0/x");
        let record = [format!("{} path=", name.len() + 9).as_bytes(), name, b"\n"].concat();
        assert_eq!(until_nul(&bytes[512..1024]), record);
        assert_eq!(until_nul(&bytes[1024..1124]), b"caf/x");
    }
}

#[test]
fn a_layer_is_known_by_its_bytes() {
    let entries = [
        directory("etc"),
        file("etc/hosts", 100),
        symlink("etc/link", "hosts"),
        Entry::whiteout("etc/old"),
    ];
    let (tar, index) = layer(&entries);
    assert_eq!(tar.len() as u64, index.size);
    assert_eq!(index.diff_id, Digest::sha256(&tar));
    // Any change of what is written here changes the cache and every digest: mean it.
    let pinned = "sha256:35a9df9a1e3f2858302de4138815cd1f387be161b3b5947357d5f6eb7c5bb588";
    assert_eq!(index.diff_id.to_string(), pinned);
}
