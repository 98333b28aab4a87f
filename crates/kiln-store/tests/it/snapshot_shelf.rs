//! Snapshots are made once, shared, kept and removed.

use std::fs;
use std::sync::atomic::Ordering;
use std::thread;

use kiln_store::snapshot::{CacheMountOptions, CacheMounts, CacheSharing, Marks};

use crate::snapshot::{Bench, Scratch, dir, file};

fn bench(name: &str) -> (Bench, [kiln_oci::Digest; 2]) {
    let mut bench = Bench::new(name, Marks::User);
    let base = bench.layer(&[dir("etc"), file("etc/passwd", 100)]);
    let top = bench.layer(&[dir("usr"), file("usr/program", 100)]);
    (bench, [base, top])
}

#[test]
fn a_layer_is_unpacked_once_and_shared_by_chains() {
    let (bench, [base, top]) = bench("once");
    let first = bench.snapshot(&[base, top]);
    let again = bench.snapshot(&[base, top]);
    let reversed = bench.snapshot(&[top, base]);
    let paths = |all: &[kiln_store::snapshot::Snapshot]| -> Vec<_> {
        all.iter().map(|one| one.path().to_path_buf()).collect()
    };
    assert!(
        first[0].path().join("usr/program").is_file(),
        "the topmost comes first"
    );
    assert_eq!(paths(&first), paths(&again));
    assert_eq!(
        paths(&first).into_iter().rev().collect::<Vec<_>>(),
        paths(&reversed)
    );
    assert_eq!(bench.layers.tars_opened.load(Ordering::Relaxed), 2);
}

#[test]
fn a_layer_that_is_there_twice_is_stacked_once() {
    let (bench, [base, top]) = bench("twice");
    let all = bench.snapshot(&[base, top, base]);
    assert_eq!(all.len(), 2);
    assert!(all[0].path().join("etc/passwd").is_file());
}

#[test]
fn many_at_once_unpack_once() {
    let (bench, chain) = bench("many");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(bench.snapshot(&chain).len(), 2));
        }
    });
    assert_eq!(bench.layers.tars_opened.load(Ordering::Relaxed), 2);
    let names = fs::read_dir(bench.scratch.path().join("snapshots")).unwrap();
    assert_eq!(names.count(), 2, "no lock file is left");
}

#[test]
fn a_snapshot_of_another_boot_does_not_count() {
    let (bench, chain) = bench("boot");
    let mark =
        |snapshots: &[kiln_store::snapshot::Snapshot]| snapshots[0].path().with_file_name("done");
    let path = mark(&bench.snapshot(&chain));
    // As after a power cut: written in another boot, and a file is gone.
    fs::write(&path, "2f6b1a9e-0000-0000-0000-000000000000").unwrap();
    fs::remove_file(path.with_file_name("fs").join("usr/program")).unwrap();
    let again = bench.snapshot(&chain);
    assert!(again[0].path().join("usr/program").is_file());
}

#[test]
fn what_is_in_use_is_not_removed() {
    let (bench, chain) = bench("remove");
    let held = bench.snapshot(&chain[..1]);
    drop(bench.snapshot(&chain));
    let all = bench.snapshots.list().unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|snapshot| snapshot.size >= 4096));
    assert_eq!(all.iter().filter(|snapshot| snapshot.in_use).count(), 1);
    for snapshot in &all {
        let removed = bench
            .snapshots
            .remove(&snapshot.name, &bench.work())
            .unwrap();
        assert_eq!(removed, !snapshot.in_use);
    }
    assert!(held[0].path().join("etc/passwd").is_file());
    drop(held);
    let left = bench.snapshots.list().unwrap().remove(0);
    assert!(bench.snapshots.remove(&left.name, &bench.work()).unwrap());
    assert!(!bench.snapshots.remove(&left.name, &bench.work()).unwrap());
    assert!(!bench.snapshots.remove("../work", &bench.work()).unwrap());
    assert_eq!(bench.snapshot(&chain).len(), 2);
}

#[test]
fn a_shared_cache_is_one_and_a_private_one_is_each_ones_own() {
    let scratch = Scratch::new("caches");
    let caches = CacheMounts::new(scratch.path().join("cache-mounts"));
    let own = |sharing| CacheMountOptions {
        sharing,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        mode: 0o1770,
        seed: None,
    };
    let shared = own(CacheSharing::Shared);
    let one = caches.mount("/root/.cache", &shared).unwrap();
    fs::write(one.dir().join("x"), "x").unwrap();
    let two = caches.mount("/root/.cache", &shared).unwrap();
    assert_eq!(one.dir(), two.dir());
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(fs::metadata(one.dir()).unwrap().mode() & 0o7777, 0o1770);
    let private = own(CacheSharing::Private);
    let three = caches.mount("/root/.cache", &private).unwrap();
    assert_ne!(one.dir(), three.dir());
    let info = caches.list().unwrap().remove(0);
    assert_eq!((&info.id[..], info.in_use), ("/root/.cache", true));
    let away = scratch.path().join("away");
    assert!(!caches.remove(&info.name, &away).unwrap());
    let dir = one.dir().to_path_buf();
    drop((one, two, three));
    // A second user of a private cache finds the first copy again.
    assert_eq!(caches.mount("/root/.cache", &private).unwrap().dir(), dir);
    assert!(caches.remove(&info.name, &away).unwrap());
    assert!(caches.list().unwrap().is_empty());
    assert!(caches.mount("", &shared).is_err());
}

#[test]
fn a_locked_cache_waits() {
    let scratch = Scratch::new("locked-cache");
    let caches = CacheMounts::new(scratch.path().join("cache-mounts"));
    let options = CacheMountOptions {
        sharing: CacheSharing::Locked,
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        ..CacheMountOptions::default()
    };
    let count = |cache: &kiln_store::snapshot::CacheMount| {
        let path = cache.dir().join("count");
        let before: u32 = fs::read_to_string(&path).map_or(0, |text| text.parse().unwrap());
        thread::yield_now();
        fs::write(&path, (before + 1).to_string()).unwrap();
        before + 1
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    count(&caches.mount("id", &options).unwrap());
                }
            });
        }
    });
    assert_eq!(count(&caches.mount("id", &options).unwrap()), 161);
}

#[test]
fn a_cache_starts_with_its_seed() {
    let scratch = Scratch::new("seed");
    let seed = scratch.path().join("seed");
    fs::create_dir_all(seed.join("a/b")).unwrap();
    fs::write(seed.join("a/b/file"), "content").unwrap();
    std::os::unix::fs::symlink("b/file", seed.join("a/link")).unwrap();
    let caches = CacheMounts::new(scratch.path().join("cache-mounts"));
    let options = CacheMountOptions {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        seed: Some(&seed),
        ..CacheMountOptions::default()
    };
    let cache = caches.mount("id", &options).unwrap();
    assert_eq!(
        fs::read_to_string(cache.dir().join("a/link")).unwrap(),
        "content"
    );
    fs::remove_file(cache.dir().join("a/b/file")).unwrap();
    let again = caches.mount("id", &options).unwrap();
    assert!(
        !again.dir().join("a/b/file").exists(),
        "only the first time"
    );
}
