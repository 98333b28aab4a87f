//! The kernel's own overlay over snapshots, as root and in a user namespace.
//!
//! A mount needs a mount namespace, which a test with threads cannot enter. So a test runs this
//! binary again under `unshare`, asking for the one ignored test that does the work.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kiln_layer::{Entry, Kind, LayerWriter};
use kiln_oci::Digest;
use kiln_store::snapshot::{CommitOptions, Marks, Snapshot, SnapshotError};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::snapshot::{Bench, dir, file, is_root, picture, symlink};

/// Runs an ignored test of this binary inside new namespaces.
fn inside(test: &str, flags: &[&str]) {
    let can = Command::new("unshare").args(flags).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "not tested: `unshare {}` does not work here",
            flags.join(" ")
        );
        return;
    }
    let test = format!("snapshot_overlay::{test}");
    let output = Command::new("unshare")
        .args(flags)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
}

#[test]
fn steps_over_an_overlay_as_root() {
    if !is_root() {
        eprintln!("not tested: only root has a mount namespace without a user namespace");
        return;
    }
    inside("steps_as_root", &["--mount"]);
}

#[test]
fn steps_over_an_overlay_in_a_user_namespace() {
    inside("steps_as_user", &["--user", "--map-root-user", "--mount"]);
}

#[test]
fn what_a_user_namespace_cannot_own_or_make() {
    inside("limits", &["--user", "--map-root-user", "--mount"]);
}

#[test]
#[ignore = "run by another test in a namespace of its own"]
fn steps_as_root() {
    steps(Marks::Trusted);
}

#[test]
#[ignore = "run by another test in a namespace of its own"]
fn steps_as_user() {
    steps(Marks::User);
}

/// Mounts an overlay and hands it to `work`.
fn overlay(lowers: &[Snapshot], upper: &Path, work: &Path, at: &Path, marks: Marks) {
    let lowers: Vec<_> = lowers
        .iter()
        .map(|lower| lower.path().display().to_string())
        .collect();
    let own = match marks {
        Marks::Trusted => "redirect_dir=off,metacopy=off,index=off",
        Marks::User => "userxattr,index=off",
    };
    let options = format!(
        "lowerdir={},upperdir={},workdir={},{own}\0",
        lowers.join(":"),
        upper.display(),
        work.display()
    );
    let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes()).unwrap();
    mount("overlay", at, "overlay", MountFlags::empty(), options).unwrap();
}

/// One RUN: the script works in the merged view, what it wrote becomes a layer and its snapshot.
fn run(bench: &mut Bench, chain: &mut Vec<Digest>, marks: Marks, script: &str) -> Vec<String> {
    let lowers = bench.snapshot(chain);
    let upper = bench.snapshots.upper(&bench.work()).unwrap();
    let merged = bench.scratch.path().join("merged");
    fs::create_dir_all(&merged).unwrap();
    overlay(&lowers, upper.dir(), upper.work(), &merged, marks);
    let status = Command::new("sh")
        .args(["-ec", script])
        .current_dir(&merged)
        .status()
        .unwrap();
    assert!(status.success(), "{script}");
    let seen = shown(&picture(&merged));
    unmount(&merged, UnmountFlags::empty()).unwrap();
    let tar = bench
        .scratch
        .path()
        .join(format!("tars/step-{}", chain.len()));
    let mut writer = LayerWriter::new(File::create(&tar).unwrap());
    let options = CommitOptions::default();
    bench
        .snapshots
        .diff(&upper, &bench.tree(chain), &options, &mut writer)
        .unwrap();
    let (_, index) = writer.finish().unwrap();
    let lines = index.entries.iter().map(|indexed| {
        let Entry { kind, .. } = &indexed.entry;
        let linked = match kind {
            Kind::Hardlink { target } => format!(" -> {}", String::from_utf8_lossy(target)),
            _ => String::new(),
        };
        format!("{} {}{linked}", kind.name(), indexed.entry.display_path())
    });
    let lines = lines.collect();
    chain.push(bench.add(Arc::new(index), tar));
    bench.snapshots.adopt(upper, chain).unwrap();
    drop(lowers);

    // The next step sees what this one saw, whether the layer was kept or is unpacked anew.
    let kept = look(bench, chain, marks);
    assert_eq!(without_times(&kept), without_times(&seen), "{script}");
    for snapshot in bench.snapshots.list().unwrap() {
        assert!(
            bench
                .snapshots
                .remove(&snapshot.name, &bench.work())
                .unwrap()
        );
    }
    assert_eq!(look(bench, chain, marks), kept, "{script}");
    lines
}

/// The merged view of a chain.
fn look(bench: &Bench, chain: &[Digest], marks: Marks) -> Vec<String> {
    let merged = bench.scratch.path().join("merged");
    let upper = bench.snapshots.upper(&bench.work()).unwrap();
    overlay(
        &bench.snapshot(chain),
        upper.dir(),
        upper.work(),
        &merged,
        marks,
    );
    let lines = shown(&picture(&merged));
    unmount(&merged, UnmountFlags::empty()).unwrap();
    lines
}

/// Without the root directory, which layers do not carry.
fn shown(lines: &[String]) -> Vec<String> {
    lines[1..].to_vec()
}

/// Without the times, of which layers keep no fractions, and without the word on hard links: a live
/// overlay in a user namespace shows two inode numbers for a file that was linked while copied up.
fn without_times(lines: &[String]) -> Vec<String> {
    let cut = |line: &String| {
        let (before, after) = line.split_once(" (").unwrap();
        format!(
            "{before} {}",
            after.split_once(") ").unwrap().1.replace(" linked ", "  ")
        )
    };
    lines.iter().map(cut).collect()
}

fn steps(marks: Marks) {
    let mut bench = Bench::new("overlay", marks);
    let mut base = vec![
        dir("bin"),
        file("bin/tool", 300_000),
        dir("d"),
        file("d/a", 10),
        file("d/b", 10),
        dir("d/sub"),
        file("d/sub/x", 10),
        symlink("link", "bin/tool"),
        file("twin", 5),
    ];
    base.push(crate::snapshot::hardlink("twin2", "twin"));
    base.push(dir("e"));
    base.push(file("e/f", 10));
    let mut chain = vec![bench.layer(&base)];
    let mut step = |script: &str| run(&mut bench, &mut chain, marks, script);
    assert_eq!(step("true"), [""; 0]);
    assert_eq!(
        step("touch d; chmod 644 d/a; cat bin/tool > /dev/null"),
        [""; 0]
    );
    assert_eq!(
        step("echo new > d/new; mkdir -p x/y; : > x/y/z"),
        [
            "directory d",
            "file d/new",
            "directory x",
            "directory x/y",
            "file x/y/z"
        ]
    );
    assert_eq!(
        step("rm d/a; rm -r d/sub"),
        ["directory d", "whiteout d/a", "whiteout d/sub"]
    );
    assert_eq!(
        step("rm -r d; mkdir d; echo b > d/fresh"),
        [
            "directory d",
            "whiteout d/b",
            "file d/fresh",
            "whiteout d/new"
        ]
    );
    assert_eq!(step("rm -r d; echo file > d"), ["file d"]);
    assert_eq!(
        step("rm d; mkdir d; : > d/in"),
        ["directory d", "file d/in"]
    );
    assert_eq!(
        step("chmod 700 d; chmod 700 bin/tool"),
        ["directory bin", "file bin/tool", "directory d"]
    );
    assert_eq!(
        step("ln bin/tool bin/again"),
        [
            "directory bin",
            "file bin/again",
            "hard link bin/tool -> bin/again"
        ]
    );
    assert_eq!(step("echo more >> twin"), ["file twin"]);
    assert_eq!(
        step("rm link; ln -s elsewhere link; mkfifo pipe"),
        ["symbolic link link", "named pipe pipe"]
    );
    assert_eq!(step("mv e e2"), ["whiteout e", "directory e2", "file e2/f"]);
    assert_eq!(
        step("rm -r bin d link pipe twin twin2 x e2"),
        [
            "whiteout bin",
            "whiteout d",
            "whiteout e2",
            "whiteout link",
            "whiteout pipe",
            "whiteout twin",
            "whiteout twin2",
            "whiteout x",
        ]
    );
}

#[test]
#[ignore = "run by another test in a namespace of its own"]
fn limits() {
    let mut bench = Bench::new("limits", Marks::User);
    let mut foreign = file("srv/data", 1);
    (foreign.uid, foreign.gid) = (33, 0);
    let layer = bench.layer(&[dir("srv"), foreign]);
    let result = bench
        .snapshots
        .snapshot(&bench.layers, &bench.work(), &[layer]);
    let message = result.unwrap_err().to_string();
    assert!(
        message.contains("`srv/data` belongs to user 33"),
        "{message}"
    );
    assert!(message.contains("has only 0;"), "{message}");

    // A device becomes a placeholder, and a copy of that the device again.
    let kind = Kind::Char { major: 1, minor: 3 };
    let null = Entry {
        kind: kind.clone(),
        mode: 0o666,
        ..file("dev/null", 0)
    };
    let layer = bench.layer(&[dir("dev"), null]);
    let snapshots = bench.snapshot(&[layer]);
    let place = snapshots[0].path().join("dev/null");
    assert!(fs::metadata(&place).unwrap().is_file());
    let upper = bench.snapshots.upper(&bench.work()).unwrap();
    let merged: PathBuf = bench.scratch.path().join("merged");
    fs::create_dir(&merged).unwrap();
    overlay(&snapshots, upper.dir(), upper.work(), &merged, Marks::User);
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(merged.join("dev/null"), mode).unwrap();
    unmount(&merged, UnmountFlags::empty()).unwrap();
    let mut writer = LayerWriter::new(Vec::new());
    let (tree, options) = (bench.tree(&[layer]), CommitOptions::default());
    let result = bench.snapshots.diff(&upper, &tree, &options, &mut writer);
    assert!(!matches!(result, Err(SnapshotError::Reference { .. })));
    result.unwrap();
    let index = writer.finish().unwrap().1;
    assert_eq!(index.entries[1].entry.kind, kind);
    assert_eq!(index.entries[1].entry.mode, 0o600);
}
