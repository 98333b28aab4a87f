//! What the store takes and what a prune takes away.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kiln_layer::Compression;
use kiln_oci::Digest;
use kiln_store::{CacheMountOptions, PruneOptions, Store, export};
use kiln_testkit::noise;

use crate::fixture::{Home, assert_sound, get, image, layer, name, put};

const MIB: usize = 1 << 20;

/// Blocks on disk by an independent count.
fn blocks(path: &Path) -> u64 {
    let data = fs::symlink_metadata(path).unwrap();
    let mut sum = data.blocks() * 512;
    if data.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sum += blocks(&entry.unwrap().path());
        }
    }
    sum
}

fn used_at(store: &Store, digest: &Digest, seconds_ago: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds_ago);
    let file = fs::File::open(store.blob_path(digest)).unwrap();
    file.set_modified(time).unwrap();
}

/// Three layers of 1 MiB that no image needs, the first used longest ago.
fn cached(store: &Store) -> [Digest; 3] {
    let lease = store.lease().unwrap();
    let digests = [1, 2, 3].map(|seed| {
        let content = noise(seed, MIB);
        layer(store, &lease, "file", &content).diff_id
    });
    store.sync_all().unwrap();
    for (digest, ago) in digests.iter().zip([300, 200, 100]) {
        used_at(store, digest, ago);
    }
    digests
}

fn there(store: &Store, digests: &[Digest]) -> Vec<bool> {
    digests
        .iter()
        .map(|digest| store.has_blob(digest).unwrap())
        .collect()
}

#[test]
fn usage_counts_blocks_and_all_of_them() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    cached(&home.store);
    let usage = home.store.usage().unwrap();
    assert!(usage.build_cache >= 3 * MIB as u64 && usage.build_cache < 4 * MIB as u64);
    assert!(usage.images > 0);
    let counted = usage.total();
    let really = blocks(home.directory.path());
    // The directories of the blobs themselves are not worth a line.
    assert!(
        really - counted < 64 << 10,
        "{really} on disk, {counted} counted"
    );
}

#[test]
fn a_prune_without_a_cap_leaves_named_images_alone() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let digests = cached(&home.store);
    let planned = home.store.prune(&PruneOptions {
        dry_run: true,
        ..PruneOptions::default()
    });
    assert_eq!(planned.unwrap().removed.len(), 3);
    assert_eq!(there(&home.store, &digests), [true; 3]);
    let pruned = home.store.prune(&PruneOptions::default()).unwrap();
    assert_eq!(pruned.removed.len(), 3);
    assert_eq!(there(&home.store, &digests), [false; 3]);
    assert_eq!(pruned.remaining, home.store.usage().unwrap().total());
    assert_eq!(
        get(&home.store, "app").manifest.digest(),
        image().manifest.digest()
    );
    assert_eq!(home.store.verify(|_| {}).unwrap(), []);
    assert_sound(home.directory.path());
}

#[test]
fn a_cap_is_held_and_the_longest_unused_goes_first() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let digests = cached(&home.store);
    let keep = home.store.usage().unwrap().total() - MIB as u64;
    let options = PruneOptions {
        keep: Some(keep),
        ..PruneOptions::default()
    };
    let pruned = home.store.prune(&options).unwrap();
    assert_eq!(there(&home.store, &digests), [false, true, true]);
    assert!(pruned.remaining <= keep);
    assert!(blocks(home.directory.path()) <= keep + (64 << 10));
    // Within the cap nothing more goes.
    assert!(home.store.prune(&options).unwrap().removed.is_empty());
    // Use changes the order.
    used_at(&home.store, &digests[1], 10);
    let keep = Some(pruned.remaining - MIB as u64);
    home.store
        .prune(&PruneOptions {
            keep,
            ..PruneOptions::default()
        })
        .unwrap();
    assert_eq!(there(&home.store, &digests), [false, true, false]);
}

#[test]
fn the_records_count_for_the_cap_too() {
    let home = Home::new();
    for number in 0..500_u32 {
        let key = Digest::sha256(&number.to_le_bytes());
        home.store.cache_put("step", &key, &[7; 4000]).unwrap();
    }
    let keep = Some(1 << 20);
    assert!(home.store.usage().unwrap().databases > 1 << 20);
    let pruned = home
        .store
        .prune(&PruneOptions {
            keep,
            ..PruneOptions::default()
        })
        .unwrap();
    assert!(
        pruned.remaining <= 1 << 20,
        "{} bytes remain",
        pruned.remaining
    );
}

#[test]
fn what_was_used_lately_can_be_spared() {
    let home = Home::new();
    let digests = cached(&home.store);
    let unused_for = Some(150);
    home.store
        .prune(&PruneOptions {
            unused_for,
            ..PruneOptions::default()
        })
        .unwrap();
    assert_eq!(there(&home.store, &digests), [false, false, true]);
}

#[test]
fn what_a_lease_holds_stays_until_the_lease_ends() {
    let home = Home::new();
    let digests = cached(&home.store);
    let other = crate::fixture::open(home.directory.path());
    let lease = other.lease().unwrap();
    lease.hold_blob(&digests[0]).unwrap();
    home.store.prune(&PruneOptions::default()).unwrap();
    assert_eq!(there(&home.store, &digests), [true, false, false]);
    drop(lease);
    home.store.prune(&PruneOptions::default()).unwrap();
    assert_eq!(there(&home.store, &digests), [false; 3]);
}

#[test]
fn a_name_that_is_gone_frees_its_image() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    put(&home.store, &image(), "same");
    home.store.remove_reference(&name("app")).unwrap();
    assert!(
        home.store
            .prune(&PruneOptions::default())
            .unwrap()
            .removed
            .is_empty()
    );
    home.store.remove_reference(&name("same")).unwrap();
    let pruned = home.store.prune(&PruneOptions::default()).unwrap();
    assert_eq!(pruned.removed.len(), 4);
    assert_eq!(home.store.usage().unwrap().images, 0);
}

#[test]
fn compressed_forms_and_snapshots_and_caches_go_and_come_again() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let stored = get(&home.store, "app");
    let lease = home.store.lease().unwrap();
    let zstd = Compression::zstd(3);
    let first = export::compressed(&home.store, &lease, &stored, &zstd).unwrap();
    let chain = &stored.config.rootfs.diff_ids;
    let directories = home.store.snapshot(&lease, chain).unwrap();
    let mount = home
        .store
        .cache_mount("go", &CacheMountOptions::default())
        .unwrap();
    fs::write(mount.dir().join("object"), noise(1, MIB)).unwrap();
    // All of it is in use.
    let pruned = home.store.prune(&PruneOptions::default()).unwrap();
    assert_eq!(pruned.removed, []);
    assert!(directories.iter().all(|path| path.exists()));
    drop((lease, mount));
    let pruned = home.store.prune(&PruneOptions::default()).unwrap();
    // Two compressed layers, two snapshots, one cache.
    assert_eq!(pruned.removed.len(), 5, "{:?}", pruned.removed);
    assert!(pruned.freed() > MIB as u64);
    assert!(directories.iter().all(|path| !path.exists()));
    let lease = home.store.lease().unwrap();
    let again = export::compressed(&home.store, &lease, &stored, &zstd).unwrap();
    assert_eq!(again.manifest.digest(), first.manifest.digest());
    assert_eq!(home.store.snapshot(&lease, chain).unwrap(), directories);
    assert!(directories.iter().all(|path| path.exists()));
}

#[test]
fn sizes_are_counted_once_for_each_use() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let stored = get(&home.store, "app");
    let lease = home.store.lease().unwrap();
    let chain = &stored.config.rootfs.diff_ids;
    let directories = home.store.snapshot(&lease, chain).unwrap();
    let options = CacheMountOptions::default();
    let fill = |seed: u64| {
        let mount = home.store.cache_mount("go", &options).unwrap();
        fs::write(mount.dir().join(seed.to_string()), noise(seed, MIB)).unwrap();
    };
    fill(1);
    let first = home.store.usage().unwrap();
    assert!(first.cache_mounts >= MIB as u64);
    // The count is a note beside the snapshot, which is believed: nothing walks it again.
    let note = directories[0].with_file_name("size");
    let counted: u64 = fs::read_to_string(&note).unwrap().parse().unwrap();
    fs::write(&note, (counted + 5000).to_string()).unwrap();
    let second = home.store.usage().unwrap();
    assert_eq!(second.snapshots, first.snapshots + 5000);
    // A broken note is none.
    fs::write(&note, "").unwrap();
    assert_eq!(home.store.usage().unwrap().snapshots, first.snapshots);
    // What is used again is counted again, while it is used and afterwards.
    fill(2);
    let third = home.store.usage().unwrap();
    assert!(third.cache_mounts >= first.cache_mounts + MIB as u64);
    let mount = home.store.cache_mount("go", &options).unwrap();
    fs::write(mount.dir().join("3"), noise(3, MIB)).unwrap();
    let fourth = home.store.usage().unwrap();
    assert!(fourth.cache_mounts >= third.cache_mounts + MIB as u64);
}

#[test]
fn records_stay_when_a_cap_is_missed_without_them() {
    let home = Home::new();
    put(&home.store, &image(), "app");
    let key = Digest::sha256(b"key");
    home.store.cache_put("step", &key, b"value").unwrap();
    let pruned = home.store.hold_cap(1).unwrap();
    assert!(pruned.is_some_and(|pruned| pruned.remaining > 1));
    let found = home.store.cache_get("step", &key).unwrap();
    assert_eq!(found.as_deref(), Some(&b"value"[..]));
    let total = home.store.usage().unwrap().total();
    assert_eq!(home.store.hold_cap(total).unwrap(), None);
}
