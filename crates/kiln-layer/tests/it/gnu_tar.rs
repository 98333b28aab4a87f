//! GNU tar as the judge of archives: it reads ours, we read its own.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use kiln_layer::{Dialect, Entry, Kind, TarReader, TarWriter, Time};

use crate::compression::sample;
use crate::samples::{content_of, directory, file, hardlink, read_all};
use crate::tools::{has, run, scratch};

fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for entry in entries {
        match entry.kind {
            Kind::File { .. } => tar.file(entry, &mut &content_of(entry)[..]).unwrap(),
            _ => tar.entry(entry).unwrap(),
        }
    }
    tar.finish().unwrap()
}

#[test]
fn gnu_tar_extracts_what_we_write() {
    if !has("tar", "GNU tar") {
        return;
    }
    let directory_name = "n".repeat(120);
    let mut entries = vec![
        directory("d"),
        file("d/plain", 1234),
        Entry {
            mode: 0o4751,
            ..file("d/setuid", 0)
        },
        hardlink("d/link", "d/plain"),
        directory(&directory_name),
        file(&format!("{directory_name}/{}", "f".repeat(200)), 600),
        file(&format!("{}/{}", "p".repeat(60), "s".repeat(60)), 10),
        Entry {
            mode: 0o644,
            ..Entry::new(&b"d/caf\xe9"[..], Kind::File { size: 3 })
        },
        Entry {
            mode: 0o644,
            ..Entry::new("d/new\nline", Kind::File { size: 3 })
        },
        Entry {
            mode: 0o600,
            ..Entry::new("d/fifo", Kind::Fifo)
        },
    ];
    let target = [&b"../t\xff/"[..], &[b'x'; 150]].concat();
    entries.push(Entry {
        mode: 0o777,
        ..Entry::new("d/symlink", Kind::Symlink { target })
    });
    for (number, entry) in entries.iter_mut().enumerate() {
        entry.mtime = Time::from_seconds(number as i64 * 1_000_000);
    }
    let root = scratch("extract");
    let mut tar = Command::new("tar");
    run(
        tar.args(["-xpf", "-", "--no-same-owner", "-C"]).arg(&root),
        &archive(&entries),
    );
    for entry in &entries {
        let path = root.join(OsStr::from_bytes(&entry.path));
        let found = fs::symlink_metadata(&path).unwrap();
        match &entry.kind {
            Kind::File { .. } => assert_eq!(fs::read(&path).unwrap(), content_of(entry)),
            Kind::Symlink { target } => {
                assert_eq!(
                    fs::read_link(&path).unwrap().into_os_string().into_vec(),
                    *target
                );
            }
            Kind::Hardlink { .. } => {
                assert_eq!(
                    found.ino(),
                    fs::metadata(root.join("d/plain")).unwrap().ino()
                );
                continue;
            }
            Kind::Directory => {
                // Its time is that of the last entry that was put into it.
                assert!(found.is_dir());
                continue;
            }
            _ => {}
        }
        assert_eq!(found.mtime(), entry.mtime.seconds, "{path:?}");
        if !found.is_symlink() {
            assert_eq!(found.permissions().mode() & 0o7777, entry.mode, "{path:?}");
        }
    }
}

#[test]
fn gnu_tar_lists_big_numbers_and_devices() {
    if !has("tar", "GNU tar") {
        return;
    }
    let mut device = Entry::new("null", Kind::Char { major: 1, minor: 3 });
    (device.uid, device.gid, device.mode) = (u32::MAX - 1, 3_000_000, 0o666);
    let mut tar = Command::new("tar");
    let listed = run(
        tar.args(["-tvf", "-", "--numeric-owner"]),
        &archive(&[device]),
    );
    let listed = String::from_utf8(listed).unwrap();
    assert!(
        listed.starts_with("crw-rw-rw- 4294967294/3000000"),
        "{listed}"
    );
    assert!(listed.contains("1,3"), "{listed}");
}

/// A tree on the disk with what tars find hard, and the content of its files.
fn difficult_tree(name: &str) -> (PathBuf, BTreeMap<Vec<u8>, Vec<u8>>) {
    let root = scratch(name);
    let mut files = BTreeMap::new();
    let mut add = |path: &[u8], content: Vec<u8>| {
        let real = root.join(OsStr::from_bytes(path));
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        fs::write(real, &content).unwrap();
        files.insert(path.to_vec(), content);
    };
    add(b"empty", Vec::new());
    add(b"plain", sample(100_000));
    add(
        format!("{}/{}", "p".repeat(90), "s".repeat(90)).as_bytes(),
        sample(10),
    );
    symlink("t".repeat(90), root.join("link")).unwrap();
    fs::hard_link(root.join("plain"), root.join("second")).unwrap();
    (root, files)
}

fn add_long_names(root: &Path, files: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    let long = format!("{0}/{0}/caf\u{e9}", "l".repeat(200));
    let real = root.join(&long);
    fs::create_dir_all(real.parent().unwrap()).unwrap();
    fs::write(&real, b"long").unwrap();
    files.insert(long.into_bytes(), b"long".to_vec());
    fs::write(root.join(OsStr::from_bytes(b"raw\xff")), b"raw").unwrap();
    files.insert(b"raw\xff".to_vec(), b"raw".to_vec());
    symlink("t".repeat(300), root.join("long-link")).unwrap();
}

/// Files with `pieces` pieces of data between holes, begin and end being holes or not.
fn add_sparse(root: &Path, files: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
    for (name, pieces, size) in [
        ("hole", 0, 1 << 20),
        ("few", 2, 1 << 20),
        ("many", 60, 8 << 20),
        ("to-the-end", 1, 69_632),
    ] {
        let file = File::create(root.join(name)).unwrap();
        file.set_len(size).unwrap();
        let mut content = vec![0; size as usize];
        for piece in 0..pieces {
            let at = 65_536 + piece * 131_072;
            file.write_all_at(&[b'#'; 4096], at).unwrap();
            content[at as usize..][..4096].fill(b'#');
        }
        files.insert(name.into(), content);
    }
}

/// Reads the archive and compares it with what is on the disk.
fn compare(tar: &[u8], files: &BTreeMap<Vec<u8>, Vec<u8>>, root: &Path, what: &[&str]) {
    let mut found = BTreeMap::new();
    let mut links = 0;
    for (entry, content) in read_all(tar, Dialect::Archive) {
        let real = fs::symlink_metadata(root.join(OsStr::from_bytes(&entry.path))).unwrap();
        assert_eq!(entry.mtime.seconds, real.mtime(), "{what:?} {entry:?}");
        assert_eq!(entry.mode, real.mode() & 0o7777, "{what:?} {entry:?}");
        assert_eq!((entry.uid, entry.gid), (real.uid(), real.gid()), "{what:?}");
        match entry.kind {
            Kind::File { size } => {
                assert_eq!(size, real.len());
                found.insert(entry.path, content);
            }
            Kind::Hardlink { target } => {
                links += 1;
                let content: &Vec<u8> = &found[&target];
                found.insert(entry.path, content.clone());
            }
            Kind::Symlink { target } => {
                let real = fs::read_link(root.join(OsStr::from_bytes(&entry.path))).unwrap();
                assert_eq!(real.into_os_string().into_vec(), target);
            }
            Kind::Directory => assert!(real.is_dir()),
            other => panic!("{what:?}: {other:?}"),
        }
    }
    let mut expected = files.clone();
    expected.insert(b"second".to_vec(), files[&b"plain"[..]].clone());
    assert_eq!(links, 1, "{what:?}");
    assert!(found == expected, "{what:?}: {:?}", found.keys());
}

fn gnu_tar(root: &Path, options: &[&str]) -> Vec<u8> {
    // Names by bytes, whatever the locale is.
    run(
        Command::new("tar")
            .args(options)
            .args(["-cf", "-", "-C"])
            .arg(root)
            .arg("."),
        b"",
    )
}

#[test]
fn we_read_what_gnu_tar_writes_in_every_format() {
    if !has("tar", "GNU tar") {
        return;
    }
    let (root, mut files) = difficult_tree("formats");
    compare(
        &gnu_tar(&root, &["--format=ustar"]),
        &files,
        &root,
        &["ustar"],
    );
    add_long_names(&root, &mut files);
    for format in ["--format=pax", "--format=gnu", "--format=oldgnu"] {
        compare(&gnu_tar(&root, &[format]), &files, &root, &[format]);
    }
    add_sparse(&root, &mut files);
    for options in [
        &["--format=gnu", "--sparse"][..],
        &["--format=oldgnu", "--sparse"],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let tar = gnu_tar(&root, &[options, &["--sparse"]].concat());
        let sparse: usize = files.values().map(Vec::len).sum();
        assert!(tar.len() < sparse / 2, "{options:?} stores holes");
        compare(&tar, &files, &root, options);
    }
}

#[test]
fn attributes_go_through_gnu_tar_and_a_file_system_and_come_back() {
    if !has("tar", "GNU tar") {
        return;
    }
    let mut entry = file("f", 3);
    let value = b"\x00\xff\n=\x01".to_vec();
    entry.xattrs.insert(b"user.kiln".to_vec(), value);
    let root = scratch("xattrs");
    let mut tar = Command::new("tar");
    let extract = tar
        .args(["--xattrs", "--no-same-owner", "-xf", "-", "-C"])
        .arg(&root);
    run(extract, &archive(std::slice::from_ref(&entry)));
    let tar = gnu_tar(&root, &["--xattrs", "--sort=name"]);
    let back = &read_all(&tar, Dialect::Archive)[1].0;
    if back.xattrs.is_empty() {
        println!("skipped: no extended attributes in {}", root.display());
        return;
    }
    assert_eq!(back.xattrs, entry.xattrs);
}

#[test]
fn we_read_version_seven_and_odd_numbers() {
    if !has("tar", "GNU tar") {
        return;
    }
    let root = scratch("odd");
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/f"), b"x").unwrap();
    let kinds = |tar: &[u8]| -> Vec<_> {
        read_all(tar, Dialect::Archive)
            .into_iter()
            .map(|(entry, _)| (entry.path, entry.kind))
            .collect()
    };
    let expected = [
        (b"".to_vec(), Kind::Directory),
        (b"d".to_vec(), Kind::Directory),
        (b"d/f".to_vec(), Kind::File { size: 1 }),
    ];
    assert_eq!(
        kinds(&gnu_tar(&root, &["--format=v7", "--sort=name"])),
        expected
    );
    for format in ["--format=gnu", "--format=pax"] {
        let options = [
            format,
            "--owner=:4294967294",
            "--group=:2097152",
            "--mtime=@-5.25",
        ];
        let (entry, _) = read_all(&gnu_tar(&root, &options), Dialect::Archive).remove(0);
        assert_eq!(
            (entry.uid, entry.gid),
            (u32::MAX - 1, 2_097_152),
            "{format}"
        );
        assert_eq!(entry.mtime.seconds, -6, "{format}");
        let nanos = if format == "--format=pax" {
            750_000_000
        } else {
            0
        };
        assert_eq!(entry.mtime.nanos, nanos, "{format}");
    }
    // An incremental archive lists names as data of its directories, and a label stands first.
    let snapshot = format!(
        "--listed-incremental={}",
        root.with_extension("snar").display()
    );
    let tar = gnu_tar(&root, &["--format=gnu", &snapshot, "--label=volume"]);
    assert_eq!(kinds(&tar), expected);
    fs::remove_file(root.with_extension("snar")).unwrap();
}

#[test]
fn files_of_gigabytes_are_read_without_memory() {
    if !has("tar", "GNU tar") {
        return;
    }
    let root = scratch("huge");
    let size = (8 << 30) + 12_345;
    File::create(root.join("huge"))
        .unwrap()
        .set_len(size)
        .unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(7);
    File::open(root.join("huge"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    for format in ["--format=gnu", "--format=pax"] {
        let tar = gnu_tar(&root, &[format, "--sparse"]);
        let mut tar = TarReader::new(&tar[..], Dialect::Layer);
        tar.next_entry().unwrap();
        let entry = tar.next_entry().unwrap().unwrap();
        assert_eq!(
            (entry.kind, entry.mtime.seconds),
            (Kind::File { size }, 7),
            "{format}"
        );
        let mut begin = [1; 1000];
        tar.read_exact(&mut begin).unwrap();
        assert_eq!(begin, [0; 1000]);
        assert_eq!(tar.next_entry().unwrap(), None);
    }
}
