//! Upper directories become layers. The directories are made by hand, as overlayfs would leave them,
//! which needs no privilege: anybody may make a whiteout.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use kiln_layer::{Entry, Kind, LayerIndex, LayerWriter, Time};
use kiln_oci::Digest;
use kiln_store::snapshot::{CommitOptions, Marks, SnapshotError, Upper};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use crate::snapshot::{Bench, content, dir, file, hardlink, symlink};

/// A base and an upper directory over it.
struct Step {
    bench: Bench,
    chain: Vec<Digest>,
    upper: Upper,
    options: CommitOptions,
}

impl Step {
    fn new(name: &str, base: &[Entry]) -> Self {
        let mut bench = Bench::new(name, Marks::User);
        let chain = vec![bench.layer(base)];
        let upper = bench.snapshots.upper(&bench.work()).unwrap();
        Self {
            bench,
            chain,
            upper,
            options: CommitOptions::default(),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.upper.dir().join(path)
    }

    /// A file of the step itself, whose time has a fraction.
    fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap();
        self.set_time(path, 1_700_000_000, 123_456_789);
    }

    fn mkdir(&self, path: &str) {
        fs::create_dir(self.at(path)).unwrap();
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn set_time(&self, path: &str, seconds: i64, nanos: i64) {
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: nanos,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, self.at(path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    /// What overlayfs does when something about a file changes: the same file in the upper directory.
    fn copy_up(&self, entry: &Entry) {
        let path = entry.display_path();
        match &entry.kind {
            Kind::Directory => fs::create_dir(self.at(&path)).unwrap(),
            Kind::Symlink { target } => {
                let target = String::from_utf8_lossy(target).into_owned();
                std::os::unix::fs::symlink(target, self.at(&path)).unwrap();
            }
            _ => fs::write(self.at(&path), content(entry)).unwrap(),
        }
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            let mode = fs::Permissions::from_mode(entry.mode);
            fs::set_permissions(self.at(&path), mode).unwrap();
        }
        self.set_time(&path, entry.mtime.seconds, entry.mtime.nanos.into());
    }

    fn whiteout(&self, path: &str) {
        let kind = FileType::CharacterDevice;
        rustix::fs::mknodat(CWD, self.at(path), kind, Mode::empty(), 0).unwrap();
    }

    fn mark(&self, path: &str, name: &str, value: &str) {
        let (path, flags) = (self.at(path), XattrFlags::empty());
        rustix::fs::lsetxattr(path, name, value.as_bytes(), flags).unwrap();
    }

    fn diff(&self) -> Result<LayerIndex, SnapshotError> {
        let tree = self.bench.tree(&self.chain);
        let mut writer = LayerWriter::new(Vec::new());
        self.bench
            .snapshots
            .diff(&self.upper, &tree, &self.options, &mut writer)?;
        Ok(writer.finish().unwrap().1)
    }

    /// The layer, one word for each entry: `d` directory, `f` file, `h` hard link, `l` symbolic link,
    /// `w` whiteout …
    fn lines(&self) -> Vec<String> {
        self.diff()
            .unwrap()
            .entries
            .iter()
            .map(|indexed| line(&indexed.entry))
            .collect()
    }
}

fn line(entry: &Entry) -> String {
    let path = entry.display_path();
    match &entry.kind {
        Kind::Directory => format!("d {path}"),
        Kind::File { size } => format!("f {path} {size}"),
        Kind::Hardlink { target } => format!("h {path} {}", String::from_utf8_lossy(target)),
        Kind::Symlink { target } => format!("l {path} {}", String::from_utf8_lossy(target)),
        Kind::Whiteout => format!("w {path}"),
        kind => format!("{} {path}", kind.name()),
    }
}

#[test]
fn nothing_changed_is_an_empty_layer() {
    let step = Step::new("nothing", &[dir("etc"), file("etc/passwd", 9)]);
    // A directory whose time changed is no change.
    step.mkdir("etc");
    step.set_time("etc", 1_700_000_000, 5);
    let layer = step.diff().unwrap();
    assert!(layer.entries.is_empty());
    // 1,024 zero bytes: the empty layer that BuildKit writes.
    let empty = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    assert_eq!(layer.diff_id.to_string(), empty);
    // The directory says again what it said below.
    assert_eq!(fs::metadata(step.at("etc")).unwrap().mtime(), 1_000_000_000);
}

#[test]
fn new_files_come_with_their_parents_in_order() {
    let step = Step::new("new", &[dir("b"), dir("c")]);
    for directory in ["b", "b.d", "b/x", "c"] {
        step.mkdir(directory);
    }
    step.write("b/x/file", "12345");
    step.write("b.d/z", "");
    step.write("a", "1");
    std::os::unix::fs::symlink("../b", step.at("b/up")).unwrap();
    let expected = [
        "f a 1",
        "d b",
        "l b/up ../b",
        "d b/x",
        "f b/x/file 5",
        "d b.d",
        "f b.d/z 0",
    ];
    assert_eq!(step.lines(), expected);
}

#[test]
fn whiteouts_count_only_over_something() {
    let step = Step::new("whiteouts", &[dir("d"), file("d/x", 1), file("gone", 1)]);
    step.mkdir("d");
    step.whiteout("d/x");
    step.whiteout("d/never");
    step.whiteout("gone");
    let layer = step.diff().unwrap();
    let lines: Vec<String> = layer
        .entries
        .iter()
        .map(|indexed| line(&indexed.entry))
        .collect();
    assert_eq!(lines, ["d d", "w d/x", "w gone"]);
    let whiteout = &layer.entries[2].entry;
    assert_eq!((whiteout.mode, whiteout.mtime), (0, Time::default()));
}

#[test]
fn an_opaque_directory_becomes_whiteouts() {
    let base = [
        dir("d"),
        file("d/a", 1),
        file("d/kept", 3),
        dir("d/sub"),
        file("d/sub/x", 1),
        dir("d/two"),
        file("d/two/y", 1),
    ];
    let step = Step::new("opaque", &base);
    // rm -rf d && mkdir -p d/two && cp -p … d/kept
    step.mkdir("d");
    step.mark("d", "user.overlay.opaque", "y");
    step.mkdir("d/two");
    step.copy_up(&base[2]);
    step.write("d/b", "1");
    // What is the same again is not written; below, all is hidden without a mark of its own.
    let expected = ["d d", "w d/a", "f d/b 1", "w d/sub", "d d/two", "w d/two/y"];
    assert_eq!(step.lines(), expected);
}

#[test]
fn a_directory_replaced_by_a_file_needs_no_whiteouts() {
    let step = Step::new("replaced", &[dir("d"), file("d/x", 1), file("f", 1)]);
    step.write("d", "now a file");
    step.mkdir("f");
    step.mark("f", "user.overlay.opaque", "y");
    assert_eq!(step.lines(), ["f d 10", "d f"]);
}

#[test]
fn unchanged_copies_are_left_out() {
    let base = [
        file("same", 10),
        file("touched", 10),
        file("changed", 10),
        file("mode", 10),
        file("noted", 10),
        symlink("link", "a"),
        symlink("other", "a"),
        dir("dir"),
    ];
    let step = Step::new("copies", &base);
    for entry in &base {
        step.copy_up(entry);
    }
    step.set_time("touched", 1_000_000_001, 0);
    // Same size, same time in whole seconds: only the content tells.
    fs::write(step.at("changed"), "0123456789").unwrap();
    step.set_time("changed", 1_000_000_000, 0);
    fs::set_permissions(step.at("mode"), fs::Permissions::from_mode(0o600)).unwrap();
    step.mark("noted", "user.note", "x");
    fs::remove_file(step.at("other")).unwrap();
    std::os::unix::fs::symlink("b", step.at("other")).unwrap();
    step.set_time("other", 1_000_000_000, 0);
    let expected = [
        "f changed 10",
        "f mode 10",
        "f noted 10",
        "l other b",
        "f touched 10",
    ];
    assert_eq!(step.lines(), expected);
}

#[test]
fn a_fraction_of_a_second_is_a_change() {
    let step = Step::new("fraction", &[file("f", 10)]);
    step.copy_up(&file("f", 10));
    step.set_time("f", 1_000_000_000, 1);
    assert_eq!(step.lines(), ["f f 10"]);
}

#[test]
fn names_of_one_file_stay_together() {
    let old = file("d/old", 10);
    let step = Step::new("links", &[dir("d"), old.clone()]);
    step.copy_up(&dir("d"));
    step.copy_up(&old);
    // ln d/old d/new && ln d/old a
    for name in ["d/new", "a"] {
        fs::hard_link(step.at("d/old"), step.at(name)).unwrap();
    }
    assert_eq!(step.lines(), ["f a 10", "d d", "h d/new a", "h d/old a"]);
}

#[test]
fn unchanged_names_alone_are_not_written() {
    let base = [file("a", 10), hardlink("b", "a")];
    let step = Step::new("linked-copies", &base);
    step.copy_up(&base[0]);
    fs::hard_link(step.at("a"), step.at("b")).unwrap();
    step.write("c", "");
    assert_eq!(step.lines(), ["f c 0"]);
}

#[test]
fn attributes_of_users_are_kept_and_those_of_the_overlay_are_not() {
    let step = Step::new("attributes", &[]);
    step.write("f", "");
    step.mark("f", "user.note", "x");
    step.mark("f", "user.overlay.origin", "x");
    let layer = step.diff().unwrap();
    let kept: Vec<_> = layer.entries[0]
        .entry
        .xattrs
        .keys()
        .map(Vec::as_slice)
        .collect();
    assert_eq!(kept, [b"user.note"]);
}

#[test]
fn what_overlayfs_did_not_copy_is_refused() {
    let step = Step::new("redirect", &[]);
    step.mkdir("d");
    step.mark("d", "user.overlay.redirect", "/other");
    assert!(matches!(step.diff(), Err(SnapshotError::Reference { path, .. }) if path == "d"));
}

#[test]
fn sockets_are_dropped_and_pipes_are_not() {
    let step = Step::new("sockets", &[dir("run"), file("run/x", 1)]);
    step.mkdir("run");
    let place = step.at("run");
    // The path of a socket has to be short.
    let short = PathBuf::from(format!("/tmp/kiln-{}", std::process::id()));
    std::os::unix::fs::symlink(&place, &short).unwrap();
    drop(UnixListener::bind(short.join("s")).unwrap());
    drop(UnixListener::bind(short.join("x")).unwrap());
    fs::remove_file(&short).unwrap();
    rustix::fs::mknodat(CWD, step.at("run/p"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    // One socket replaced a file of the base.
    assert_eq!(step.lines(), ["d run", "named pipe run/p", "w run/x"]);
    assert!(!place.join("s").exists());
    let left = fs::symlink_metadata(place.join("x")).unwrap();
    assert_eq!(
        (FileType::from_raw_mode(left.mode()), left.rdev()),
        (FileType::CharacterDevice, 0)
    );
}

#[test]
fn empty_mount_points_disappear() {
    let mut step = Step::new("mount-points", &[dir("etc")]);
    step.mkdir("etc");
    step.mkdir("c");
    step.mkdir("c/d");
    step.mkdir("used");
    step.write("etc/hosts", "");
    step.write("etc/resolv.conf", "nameserver ::1");
    step.write("used/f", "");
    step.mkdir("other");
    step.options.mount_points = [
        "/c",
        "/c/d",
        "/etc/hosts",
        "etc/resolv.conf",
        "/used",
        "/../x",
    ]
    .map(PathBuf::from)
    .into();
    let expected = [
        "d etc",
        "f etc/resolv.conf 14",
        "d other",
        "d used",
        "f used/f 0",
    ];
    assert_eq!(step.lines(), expected);
    assert!(!step.at("c").exists());
    assert!(!step.at("etc/hosts").exists());
}

#[test]
fn times_are_cut_and_clamped_in_the_directory_too() {
    let mut step = Step::new("times", &[]);
    step.mkdir("d");
    step.write("d/new", "");
    step.write("old", "");
    step.set_time("old", 500, 999);
    step.set_time("d", 1_700_000_000, 1);
    step.options.clamp_mtime = Some(1_600_000_000);
    let layer = step.diff().unwrap();
    let times: Vec<_> = layer
        .entries
        .iter()
        .map(|indexed| indexed.entry.mtime)
        .collect();
    assert_eq!(
        times,
        [1_600_000_000, 1_600_000_000, 500].map(Time::from_seconds)
    );
    for (path, time) in [("d", 1_600_000_000), ("d/new", 1_600_000_000), ("old", 500)] {
        let metadata = fs::metadata(step.at(path)).unwrap();
        assert_eq!(
            (metadata.mtime(), metadata.mtime_nsec()),
            (time, 0),
            "{path}"
        );
    }
}

#[test]
fn a_kept_upper_directory_is_the_snapshot_of_the_new_chain() {
    let Step {
        mut bench,
        mut chain,
        upper,
        options,
    } = {
        let step = Step::new("adopt", &[dir("d"), file("d/x", 10)]);
        step.mkdir("d");
        step.write("d/y", "new");
        step.whiteout("d/x");
        step
    };
    let tar = bench.scratch.path().join("tars/top");
    let mut writer = LayerWriter::new(File::create(&tar).unwrap());
    bench
        .snapshots
        .diff(&upper, &bench.tree(&chain), &options, &mut writer)
        .unwrap();
    let (_, index) = writer.finish().unwrap();
    let below = chain[0];
    chain.push(bench.add(Arc::new(index), tar));
    bench.snapshots.adopt(upper, &chain).unwrap();
    assert_eq!(fs::read_dir(bench.work()).unwrap().count(), 0);
    let kept = bench.snapshot(&chain);
    assert_eq!(
        fs::read_to_string(kept[0].path().join("d/y")).unwrap(),
        "new"
    );
    let opened = bench
        .layers
        .tars_opened
        .load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(opened, 1, "only the base was unpacked");
    // Unpacked alone, the layer is the same directory.
    let unpacked = bench.snapshot(&[chain[1]]);
    assert_ne!(kept[0].path(), unpacked[0].path());
    let [kept, unpacked] = [&kept, &unpacked].map(|all| {
        let lines = crate::snapshot::picture(all[0].path());
        lines
            .into_iter()
            .skip(1)
            .filter(|line| !line.contains("device"))
            .collect::<Vec<_>>()
    });
    assert_eq!(kept, unpacked);
    assert_ne!(below, chain[1]);
}

#[test]
fn a_failed_steps_directory_can_be_kept() {
    let step = Step::new("keep", &[]);
    step.write("log", "why");
    let (dir, work) = step.upper.keep();
    assert!(dir.join("log").is_file() && work.is_dir());
    let other = step.bench.snapshots.upper(&step.bench.work()).unwrap();
    let gone = other.dir().to_path_buf();
    drop(other);
    assert!(!gone.exists());
}
