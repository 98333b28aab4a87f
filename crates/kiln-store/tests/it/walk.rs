//! Walking build contexts.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kiln_layer::Kind;
use kiln_oci::Digest;
use kiln_store::walk::{Decision, Memo, Walk, walk};
use kiln_store::{Store, StoreOptions};

use crate::snapshot::Scratch;

fn everything(_: &[u8], _: bool) -> Decision {
    Decision::Include
}

fn paths(walk: &Walk) -> Vec<String> {
    let paths = walk
        .entries
        .iter()
        .map(|found| found.display_path().into_owned());
    paths.collect()
}

fn write_old(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(old)
        .unwrap();
}

fn context(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let root = scratch.path();
    fs::create_dir_all(root.join("src/deep")).unwrap();
    fs::create_dir(root.join("src.old")).unwrap();
    for path in ["src/deep/b", "src/a", "src.old/x", "Makefile"] {
        write_old(&root.join(path), path);
    }
    scratch
}

#[test]
fn all_kinds_are_listed_in_order() {
    let scratch = context("kinds");
    let root = scratch.path();
    symlink("a", root.join("src/link")).unwrap();
    fs::hard_link(root.join("src/a"), root.join("src/twin")).unwrap();
    let _socket = UnixListener::bind(root.join("s")).ok();
    fs::set_permissions(root.join("Makefile"), fs::Permissions::from_mode(0o4751)).unwrap();
    let walk = walk(root, &everything).unwrap();
    let expected = [
        "Makefile",
        "src",
        "src/a",
        "src/deep",
        "src/deep/b",
        "src/link",
        "src/twin",
        "src.old",
        "src.old/x",
    ];
    assert_eq!(paths(&walk), expected);
    let at = |path: &str| {
        let mut all = walk.entries.iter();
        all.find(|found| found.path == path.as_bytes()).unwrap()
    };
    assert_eq!(
        (at("Makefile").mode, at("Makefile").kind.clone()),
        (0o4751, Kind::File { size: 8 })
    );
    assert_eq!(
        at("src/link").kind,
        Kind::Symlink {
            target: b"a".to_vec()
        }
    );
    assert_eq!(
        at("src/twin").kind,
        Kind::Hardlink {
            target: b"src/a".to_vec()
        }
    );
    assert_eq!(at("src/deep").kind, Kind::Directory);
    assert!(
        walk.entries
            .iter()
            .all(|found| (found.uid, found.gid) == (0, 0))
    );
}

#[test]
fn a_filter_prunes_and_passes_through() {
    let scratch = context("filter");
    let filter = |path: &[u8], is_directory: bool| match path {
        b"src.old" => Decision::Skip,
        b"src/deep/b" => Decision::Include,
        _ if is_directory => Decision::Descend,
        _ => Decision::Skip,
    };
    let found = walk(scratch.path(), &filter).unwrap();
    assert_eq!(paths(&found), ["src", "src/deep", "src/deep/b"]);
    let nothing = walk(scratch.path(), &|_, _| Decision::Descend).unwrap();
    assert!(nothing.entries.is_empty());
}

#[test]
fn files_are_read_once() {
    let scratch = context("memo");
    // The times of all that was just made must be older than the clock's grain.
    std::thread::sleep(Duration::from_millis(60));
    let root = scratch.path();
    let files = |walk: &Walk| -> Vec<Vec<u8>> {
        let all = walk.entries.iter();
        let files = all.filter(|found| found.kind != Kind::Directory);
        files.map(|found| found.path.clone()).collect()
    };
    let first = walk(root, &everything).unwrap();
    let found = files(&first);
    let mut memo = Memo::default();
    let digests = memo.digests(&first, &found).unwrap();
    let expected = found.iter().map(|path| Digest::sha256(path));
    assert_eq!(digests, expected.collect::<Vec<_>>());
    assert!(memo.is_changed());
    let stored = memo.encode(&first);

    let mut memo = Memo::decode(&stored).unwrap();
    // Same size and time, other content: the change time tells.
    write_old(&root.join("src/a"), "SRC/A");
    let second = walk(root, &everything).unwrap();
    let found = files(&second);
    let stamps = found.iter().map(|path| second.stamp(path).unwrap());
    let known = stamps.filter(|stamp| memo.digest(stamp).is_some());
    assert_eq!(known.count(), found.len() - 1);
    let digests = memo.digests(&second, &found).unwrap();
    let changed = found.iter().position(|path| path == b"src/a").unwrap();
    assert_eq!(digests[changed], Digest::sha256(b"SRC/A"));
}

#[test]
fn a_store_remembers_digests_between_processes() {
    let scratch = context("stored-memo");
    std::thread::sleep(Duration::from_millis(60));
    let home = Scratch::new("stored-memo-home");
    let open = || Store::open(home.path(), &StoreOptions::default()).unwrap();
    let makefile = [b"Makefile".to_vec()];
    let first = walk(scratch.path(), &everything).unwrap();
    let digests = open().context_digests(&first, &makefile).unwrap();
    assert_eq!(digests, [Digest::sha256(b"Makefile")]);
    // Unreadable, but not read: found through another path to the same directory.
    let again = walk(&scratch.path().join("src/.."), &everything).unwrap();
    fs::remove_file(scratch.path().join("Makefile")).unwrap();
    assert_eq!(open().context_digests(&again, &makefile).unwrap(), digests);
    assert!(open().context_digests(&again, &[b"src/a".to_vec()]).is_ok());
    let missing = open().context_digests(&first, &[b"nothing".to_vec()]);
    assert_eq!(missing.unwrap_err().path, scratch.path().join("nothing"));
}

#[test]
fn a_file_that_changed_within_the_clocks_grain_is_not_remembered() {
    let scratch = Scratch::new("grain");
    fs::write(scratch.path().join("new"), "new").unwrap();
    let found = walk(scratch.path(), &everything).unwrap();
    let mut memo = Memo::default();
    let digests = memo.digests(&found, &[b"new".to_vec()]).unwrap();
    assert_eq!(digests, [Digest::sha256(b"new")]);
    assert!(memo.is_empty());
}

#[test]
fn a_file_that_changes_after_the_walk_is_an_error() {
    let scratch = context("changes");
    let found = walk(scratch.path(), &everything).unwrap();
    fs::write(scratch.path().join("Makefile"), "longer than before").unwrap();
    let error = Memo::default()
        .digests(&found, &[b"Makefile".to_vec()])
        .unwrap_err();
    assert_eq!(error.path, scratch.path().join("Makefile"));
    assert!(
        error.source.to_string().contains("changed"),
        "{}",
        error.source
    );
    assert!(
        Memo::default().digests(&found, &[b"src".to_vec()]).is_err(),
        "not a file"
    );
    fs::remove_file(scratch.path().join("Makefile")).unwrap();
    symlink("/etc/passwd", scratch.path().join("Makefile")).unwrap();
    assert!(found.open(b"Makefile").is_err(), "no link is followed");
}

#[test]
fn what_cannot_be_walked_is_named() {
    let scratch = context("missing");
    let missing = scratch.path().join("missing");
    let error = walk(&missing, &everything).unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()), "{error}");
    let file = scratch.path().join("Makefile");
    assert!(walk(&file, &everything).is_err());
}

/// Walks until the directory's last change is so long ago that it has a fingerprint.
fn fingerprint(root: &Path) -> kiln_oci::Digest {
    loop {
        if let Some(found) = walk(root, &|_, _| Decision::Include).unwrap().fingerprint() {
            return found;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_fingerprint_is_the_same_until_something_changes() {
    let scratch = Scratch::new("fingerprint");
    let root = scratch.path();
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/a"), "1").unwrap();
    std::os::unix::fs::symlink("a", root.join("d/link")).unwrap();
    let mut seen = vec![fingerprint(root)];
    assert_eq!(fingerprint(root), seen[0]);
    let filtered = walk(root, &|path, _| match path {
        b"d/link" => Decision::Skip,
        _ => Decision::Include,
    });
    seen.push(filtered.unwrap().fingerprint().unwrap());
    let mtime = fs::metadata(root.join("d/a")).unwrap().modified().unwrap();
    let changes: [&dyn Fn(); 6] = [
        // Content alone, with its old time.
        &|| {
            fs::write(root.join("d/a"), "2").unwrap();
            let file = fs::File::open(root.join("d/a")).unwrap();
            file.set_modified(mtime).unwrap();
        },
        &|| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
            fs::set_permissions(root.join("d/a"), mode).unwrap();
        },
        &|| {
            fs::remove_file(root.join("d/link")).unwrap();
            std::os::unix::fs::symlink("b", root.join("d/link")).unwrap();
        },
        &|| fs::hard_link(root.join("d/a"), root.join("d/b")).unwrap(),
        &|| fs::create_dir(root.join("e")).unwrap(),
        &|| fs::rename(root.join("d/b"), root.join("d/c")).unwrap(),
    ];
    for change in changes {
        change();
        let new = fingerprint(root);
        assert!(!seen.contains(&new));
        seen.push(new);
    }
}

#[test]
fn a_young_file_has_no_fingerprint() {
    let scratch = Scratch::new("young");
    let file = fs::File::create(scratch.path().join("a")).unwrap();
    // As if it were changed later than now: whatever the machine's load, it is young.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1000);
    file.set_modified(later).unwrap();
    let walked = walk(scratch.path(), &|_, _| Decision::Include).unwrap();
    assert_eq!(walked.fingerprint(), None);
}
