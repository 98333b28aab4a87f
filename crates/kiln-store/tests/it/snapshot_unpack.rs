//! Layers into directories: compared with GNU tar, and against layers that mean harm.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use kiln_layer::{Entry, Kind, Time};
use kiln_store::snapshot::{Marks, SnapshotError};

use crate::snapshot::{Bench, dir, file, hardlink, is_root, picture, symlink};

fn names(root: &Path) -> Vec<String> {
    let lines = picture(root);
    lines
        .iter()
        .skip(1)
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

fn has_xattr(path: &Path, name: &str) -> bool {
    rustix::fs::lgetxattr(path, name, &mut [0; 64][..]).is_ok()
}

#[test]
fn a_layer_unpacks_as_gnu_tar_does_it() {
    let mut bench = Bench::new("tar", Marks::User);
    let mut odd = file("usr/bin/su", 100);
    odd.mode = 0o4755;
    odd.xattrs.insert(b"user.note".to_vec(), b"a\0b".to_vec());
    let mut sticky = dir("tmp");
    sticky.mode = 0o1777;
    let mut group = dir("var/mail");
    group.mode = 0o2775;
    let mut pipe = file("run/pipe", 0);
    pipe.kind = Kind::Fifo;
    let mut entries = vec![
        dir("run"),
        pipe,
        sticky,
        dir("usr"),
        dir("usr/bin"),
        file("usr/bin/large", 700_000),
        odd,
        symlink("usr/bin/sh", "su"),
        hardlink("usr/bin/sudo", "usr/bin/su"),
        dir("var"),
        group,
        file("var/mail/empty", 0),
        file("var/mail/\u{e4} b\n", 3),
        symlink("var/dangling", "/nowhere/\u{fc}"),
    ];
    if is_root() {
        let capability = vec![
            1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        let mut ping = file("usr/bin/ping", 9);
        ping.xattrs
            .insert(b"security.capability".to_vec(), capability);
        (ping.uid, ping.gid) = (1234, 65_534);
        entries.push(ping);
        let (kind, mode) = (Kind::Char { major: 1, minor: 3 }, 0o666);
        entries.push(Entry {
            mode,
            kind,
            ..file("run/null", 0)
        });
    }
    // In the order of a walk, or tar leaves other times on directories.
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.push(dir(""));
    let layer = bench.layer(&entries);
    let theirs = bench.scratch.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let status = Command::new("tar")
        .args(["--xattrs", "--xattrs-include=*", "--same-owner", "-xpf"])
        .arg(bench.tar_of(&layer))
        .arg("-C")
        .arg(&theirs)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("not compared: there is no GNU tar that can unpack this here");
        return;
    }
    let ours = bench.snapshot(&[layer]);
    assert_eq!(picture(ours[0].path()), picture(&theirs));
}

#[test]
fn holes_stay_holes() {
    let mut bench = Bench::new("holes", Marks::User);
    // Zeros come from a path of zeros: the content of a file is its path.
    let scratch = bench.scratch.path().join("tars/sparse");
    let mut writer = kiln_layer::LayerWriter::new(fs::File::create(&scratch).unwrap());
    let mut content = vec![0; 4 << 20];
    content[1 << 20] = 7;
    writer
        .file(&file("sparse", 4 << 20), &mut &content[..])
        .unwrap();
    let (_, index) = writer.finish().unwrap();
    let layer = bench.add(std::sync::Arc::new(index), scratch);
    let snapshot = bench.snapshot(&[layer]);
    let path = snapshot[0].path().join("sparse");
    assert_eq!(fs::read(&path).unwrap(), content);
    let blocks = fs::metadata(&path).unwrap().blocks();
    assert!(blocks * 512 <= 128 << 10, "{blocks} blocks");
}

#[test]
fn nothing_gets_out_through_links() {
    let mut bench = Bench::new("escape", Marks::User);
    let outside = bench.scratch.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let target = outside.to_str().unwrap();
    let up = "../../../../../../../../../../../../..".to_owned() + target;
    let layer = bench.layer(&[
        symlink("absolute", target),
        file("absolute/a", 1),
        symlink("relative", &up),
        file("relative/b", 1),
        symlink("secret", &format!("{target}/secret")),
        hardlink("copy", "secret"),
    ]);
    let snapshot = bench.snapshot(&[layer]);
    let root = snapshot[0].path();
    assert_eq!(names(&outside), ["secret"]);
    assert!(root.join(&target[1..]).join("a").is_file());
    assert!(root.join(&target[1..]).join("b").is_file());
    // A link to a link is that link, not what it leads to.
    assert!(
        fs::symlink_metadata(root.join("copy"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn marks_of_the_overlay_do_not_come_from_layers() {
    let mut bench = Bench::new("marks", Marks::User);
    let mut evil = dir("etc");
    evil.xattrs
        .insert(b"user.overlay.opaque".to_vec(), b"y".to_vec());
    evil.xattrs
        .insert(b"user.overlay.redirect".to_vec(), b"/root".to_vec());
    let layer = bench.layer(&[evil]);
    let snapshot = bench.snapshot(&[layer]);
    let path = snapshot[0].path().join("etc");
    assert!(!has_xattr(&path, "user.overlay.opaque"));
    assert!(!has_xattr(&path, "user.overlay.redirect"));
}

#[test]
fn removals_become_marks() {
    let mut bench = Bench::new("removals", Marks::User);
    let layer = bench.layer(&[
        dir("etc"),
        Entry::new("etc", Kind::Opaque),
        file("etc/new", 1),
        Entry::whiteout("gone"),
        dir("renewed"),
        Entry::whiteout("renewed"),
        file("replaced", 1),
        Entry::whiteout("replaced"),
    ]);
    let snapshot = bench.snapshot(&[layer]);
    let root = snapshot[0].path();
    assert!(has_xattr(&root.join("etc"), "user.overlay.opaque"));
    assert!(has_xattr(&root.join("renewed"), "user.overlay.opaque"));
    assert!(fs::metadata(root.join("replaced")).unwrap().is_file());
    assert_eq!(fs::symlink_metadata(root.join("gone")).unwrap().rdev(), 0);
    assert_eq!(
        names(root),
        ["etc", "etc/new", "gone", "renewed", "replaced"]
    );
}

#[test]
fn a_link_into_a_lower_layer_copies_the_file_up() {
    let mut bench = Bench::new("copy-up", Marks::User);
    let mut private = dir("d");
    private.mode = 0o700;
    let base = bench.layer(&[private, file("d/old", 5000), file("d/other", 1)]);
    let top = bench.layer(&[hardlink("new", "d/old")]);
    let snapshot = bench.snapshot(&[base, top]);
    let root = snapshot[0].path();
    assert_eq!(names(root), ["d", "d/old", "new"]);
    let [old, new] = ["d/old", "new"].map(|name| fs::metadata(root.join(name)).unwrap());
    assert_eq!(old.ino(), new.ino());
    assert_eq!(new.len(), 5000);
    // The parent came along as it is below.
    let parent = fs::metadata(root.join("d")).unwrap();
    assert_eq!(
        (parent.mode() & 0o7777, parent.mtime()),
        (0o700, 1_000_000_000)
    );
}

#[test]
fn implicit_parents_are_those_of_the_lower_layers() {
    let mut bench = Bench::new("parents", Marks::User);
    let mut private = dir("d");
    private.mode = 0o1770;
    let base = bench.layer(&[private, symlink("link", "d")]);
    let top = bench.layer(&[file("d/x", 1), file("link/y", 1), file("fresh/z", 1)]);
    let snapshot = bench.snapshot(&[base, top]);
    let root = snapshot[0].path();
    assert_eq!(names(root), ["d", "d/x", "d/y", "fresh", "fresh/z"]);
    assert_eq!(
        fs::metadata(root.join("d")).unwrap().mode() & 0o7777,
        0o1770
    );
    assert_eq!(
        fs::metadata(root.join("fresh")).unwrap().mode() & 0o7777,
        0o755
    );
}

#[test]
fn directories_that_keep_their_owner_out_can_be_filled() {
    let mut bench = Bench::new("locked", Marks::User);
    let mut locked = dir("locked");
    locked.mode = 0;
    let layer = bench.layer(&[dir("a"), locked, file("locked/x", 1), dir("locked/d")]);
    let snapshot = bench.snapshot(&[layer]);
    let path = snapshot[0].path().join("locked");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&path, mode).unwrap();
    assert!(path.join("x").is_file());
}

#[test]
fn fractions_of_seconds_are_kept() {
    let mut bench = Bench::new("fractions", Marks::User);
    let before_1970 = Time::from_seconds(-86_400);
    let layer = bench.layer(&[Entry {
        mtime: before_1970,
        ..file("old", 1)
    }]);
    let snapshot = bench.snapshot(&[layer]);
    let metadata = fs::metadata(snapshot[0].path().join("old")).unwrap();
    assert_eq!(metadata.mtime(), -86_400);
}

#[test]
fn a_cut_tar_is_an_error_that_names_the_file() {
    let mut bench = Bench::new("cut", Marks::User);
    let layer = bench.layer(&[file("first", 10), file("second", 100_000)]);
    let tar = fs::File::options()
        .write(true)
        .open(bench.tar_of(&layer))
        .unwrap();
    tar.set_len(50_000).unwrap();
    let result = bench
        .snapshots
        .snapshot(&bench.layers, &bench.work(), &[layer]);
    match result.unwrap_err() {
        SnapshotError::Truncated { layer: named, path } => {
            assert_eq!((named, &path[..]), (layer, "second"));
        }
        other => panic!("{other}"),
    }
    // Nothing half done is left, neither as a snapshot nor in the work directory.
    assert!(bench.snapshots.list().unwrap().is_empty());
    assert_eq!(fs::read_dir(bench.work()).unwrap().count(), 0);
}
