//! Times what a build waits for: opening a store, leases, records, layers and their indexes.
//!
//! `cargo run --release -p kiln-store --example store_speed -- DIRECTORY` (which must not exist).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program"
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kiln_layer::{Compression, Entry, Kind};
use kiln_oci::Digest;
use kiln_store::{Store, StoreOptions, export};

const FILES: usize = 50_000;

fn median(name: &str, times: usize, mut act: impl FnMut()) {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let begin = Instant::now();
            act();
            begin.elapsed()
        })
        .collect();
    all.sort_unstable();
    println!("{name:<44} {:>12.3?}", all[times / 2]);
}

fn once<T>(name: &str, act: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = act();
    println!("{name:<44} {:>12.3?}", begin.elapsed());
    result
}

fn main() {
    let root = PathBuf::from(std::env::args_os().nth(1).unwrap());
    let open = || Store::open(&root, &StoreOptions::default()).unwrap();
    let store = once("open, new", open);
    let lease = store.lease().unwrap();
    let content = vec![7_u8; 20_000];
    let small = (0..30).map(|number| {
        let mut writer = store.layer_writer(&lease).unwrap();
        let kind = Kind::File {
            size: content.len() as u64,
        };
        let entry = Entry::new(format!("f{number}"), kind);
        writer.file(&entry, &mut &content[..]).unwrap();
        writer
    });
    let writers: Vec<_> = small.collect();
    once("commit 30 small layers", || {
        for writer in writers {
            store.commit_layer(&lease, writer).unwrap();
        }
    });
    once("  and wait for the disk", || store.sync_all().unwrap());
    let mut writer = store.layer_writer(&lease).unwrap();
    once("write 50,000 files of 20 kB (1 GB)", || {
        for number in 0..FILES {
            let kind = Kind::File {
                size: content.len() as u64,
            };
            let entry = Entry::new(format!("some/directory/{number:06}"), kind);
            writer.file(&entry, &mut &content[..]).unwrap();
        }
    });
    let index = once("  commit", || store.commit_layer(&lease, writer).unwrap());
    once("  and wait for the disk", || store.sync_all().unwrap());
    drop(lease);
    once("close", || drop(store));
    median("open and close", 21, || drop(open()));
    median("index of 50,000 entries, from the database", 5, || {
        let store = open();
        black_box(store.layer_index(&index.diff_id).unwrap());
    });
    let store = open();
    median("take and drop a lease", 21, || drop(store.lease().unwrap()));
    let lease = store.lease().unwrap();
    let mut number = 0_u64;
    median("hold a blob", 101, || {
        number += 1;
        lease
            .hold_blob(&Digest::sha256(&number.to_le_bytes()))
            .unwrap();
    });
    median("put a record", 101, || {
        number += 1;
        let key = Digest::sha256(&number.to_le_bytes());
        store.cache_put("step", &key, &[1; 71]).unwrap();
    });
    median("get a record", 101, || {
        let key = Digest::sha256(&number.to_le_bytes());
        black_box(store.cache_get("step", &key).unwrap());
    });
    median("usage", 5, || {
        black_box(store.usage().unwrap());
    });
    once("verify", || store.verify(|_| {}).unwrap());
    let kept = one_layer_image(&store, &lease, &index.diff_id, index.size);
    let zstd = Compression::zstd(1);
    once("compress 1 GB with zstd -1", || {
        export::compressed(&store, &lease, &kept, &zstd).unwrap()
    });
    once("  again", || {
        export::compressed(&store, &lease, &kept, &zstd).unwrap()
    });
    once("flatten", || {
        export::flat_tar(&store, &kept, &mut std::io::sink()).unwrap();
    });
}

fn one_layer_image(
    store: &Store,
    lease: &kiln_store::Lease,
    diff_id: &Digest,
    size: u64,
) -> kiln_oci::Image {
    use kiln_oci::{Descriptor, ImageConfig, Manifest, Platform, Raw, media_type};
    let mut config = ImageConfig::scratch(Platform::host());
    config.rootfs.diff_ids.push(*diff_id);
    let config = Raw::new(config);
    let manifest = Raw::new(Manifest {
        schema_version: 2,
        media_type: None,
        artifact_type: None,
        config: Descriptor::of(media_type::OCI_CONFIG, config.bytes()),
        layers: vec![Descriptor::new(media_type::OCI_LAYER_TAR, *diff_id, size)],
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    });
    store.put_document(lease, config.bytes()).unwrap();
    store.put_document(lease, manifest.bytes()).unwrap();
    let descriptor = Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes());
    store.image_at(&descriptor).unwrap()
}
