//! Images on their way out of the store.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use kiln_layer::{Compression, Entry, Kind, decompress};
use kiln_oci::{Image, media_type};
use kiln_store::export;
use kiln_testkit::{ImageBuilder, Layer, TempDir, noise};

use crate::fixture::{Home, base, files, get, image, put};
use crate::formats::names_in;

fn stored(home: &Home) -> Image {
    put(&home.store, &image(), "app");
    get(&home.store, "app")
}

#[test]
fn compressing_keeps_what_is_in_it_and_names_it_right() {
    let home = Home::new();
    let image = stored(&home);
    let lease = home.store.lease().unwrap();
    for (compression, kind) in [
        (Compression::zstd(3), media_type::OCI_LAYER_ZSTD),
        (Compression::Gzip { level: 6 }, media_type::OCI_LAYER_GZIP),
    ] {
        let small = export::compressed(&home.store, &lease, &image, &compression).unwrap();
        assert_eq!(small.config.bytes(), image.config.bytes());
        for (number, layer) in small.layers.iter().enumerate() {
            assert_eq!(layer.descriptor().media_type, kind);
            assert_eq!(*layer.descriptor(), small.manifest.layers[number]);
            let (_, mut plain) = decompress(layer.open().unwrap()).unwrap();
            let (mut bytes, mut original) = (vec![], vec![]);
            plain.read_to_end(&mut bytes).unwrap();
            image.layers[number]
                .open()
                .unwrap()
                .read_to_end(&mut original)
                .unwrap();
            assert!(bytes == original);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_show_and_nothing_is_compressed_twice() {
    let tar = Layer::new()
        .file("f", noise(1, 3 << 20))
        .file("g", vec![1; 3 << 20])
        .tar();
    let mut digests = vec![];
    for threads in [1, 4] {
        let home = Home::new();
        put(&home.store, &ImageBuilder::new().layer(&tar).build(), "app");
        let image = get(&home.store, "app");
        let lease = home.store.lease().unwrap();
        let zstd = Compression::zstd(3);
        let mut steps = vec![];
        for _ in 0..2 {
            let mut calls = vec![];
            let progress = &mut |bytes| calls.push(bytes);
            let small =
                export::compressed_with(&home.store, &lease, &image, &zstd, threads, progress);
            digests.push(small.unwrap().manifest.digest());
            assert_eq!(calls.iter().sum::<u64>(), tar.len() as u64);
            steps.push(calls.len());
        }
        assert!(steps[0] > 1);
        assert_eq!(steps[1], 1, "the second time it is there already");
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn what_is_compressed_already_stays_as_it_is() {
    let home = Home::new();
    let gzip = Compression::Gzip { level: 9 };
    let base = ImageBuilder::new().compression(gzip).layer(&base().tar());
    let mixed = base
        .compression(Compression::None)
        .layer(&Layer::new().file("own", "x").tar());
    put(&home.store, &mixed.build(), "mixed");
    let image = get(&home.store, "mixed");
    let lease = home.store.lease().unwrap();
    let small = export::compressed(&home.store, &lease, &image, &Compression::zstd(3)).unwrap();
    assert_eq!(small.manifest.layers[0], image.manifest.layers[0]);
    assert_eq!(
        small.manifest.layers[1].media_type,
        media_type::OCI_LAYER_ZSTD
    );
    let same = export::compressed(&home.store, &lease, &image, &Compression::None).unwrap();
    assert_eq!(same.manifest.bytes(), image.manifest.bytes());
}

#[test]
fn a_flat_archive_holds_what_a_container_sees() {
    let home = Home::new();
    let image = stored(&home);
    let mut tar = vec![];
    export::flat_tar(&home.store, &image, &mut tar).unwrap();
    let expected = ["app", "etc", "etc/hostname", "etc/link", "etc/name"];
    assert_eq!(names_in(&tar), expected);
}

#[test]
fn a_directory_gets_files_links_modes_and_times() {
    let home = Home::new();
    let fifo = Entry {
        mode: 0o600,
        ..Entry::new("fifo", Kind::Fifo)
    };
    let layer = base()
        .file_with_mode("bin", "#!", 0o4755)
        .directory("closed")
        .file("closed/in", "x")
        .entry(&Entry::directory("closed", 0o500))
        .entry(&fifo);
    put(
        &home.store,
        &ImageBuilder::new().layer(&layer.tar()).build(),
        "app",
    );
    let dest = home.directory.join("out");
    export::to_directory(&home.store, &get(&home.store, "app"), &dest).unwrap();
    assert_eq!(fs::read(dest.join("etc/hostname")).unwrap(), b"here\n");
    assert_eq!(
        fs::read_link(dest.join("etc/link")).unwrap().to_str(),
        Some("hostname")
    );
    let inode = |path: &str| fs::metadata(dest.join(path)).unwrap().ino();
    assert_eq!(inode("etc/hostname"), inode("etc/name"));
    let data = fs::metadata(dest.join("bin")).unwrap();
    assert_eq!(
        (data.permissions().mode() & 0o7777, data.mtime()),
        (0o4755, 1)
    );
    let data = fs::metadata(dest.join("closed")).unwrap();
    assert_eq!(data.permissions().mode() & 0o7777, 0o500);
    assert!(!dest.join("fifo").exists());
    // Again, over what is there.
    export::to_directory(&home.store, &get(&home.store, "app"), &dest).unwrap();
    assert_eq!(files(&dest).len(), 6);
}

#[test]
fn a_link_in_the_destination_leads_nothing_out_of_it() {
    let home = Home::new();
    let image = stored(&home);
    let outside = TempDir::new();
    fs::write(outside.join("hostname"), "mine").unwrap();
    let dest = home.directory.join("out");
    fs::create_dir(&dest).unwrap();
    symlink(outside.path(), dest.join("etc")).unwrap();
    symlink(outside.join("hostname"), dest.join("app")).unwrap();
    export::to_directory(&home.store, &image, &dest).unwrap();
    assert_eq!(files(outside.path()).len(), 1);
    assert_eq!(fs::read(outside.join("hostname")).unwrap(), b"mine");
    assert_eq!(fs::read(dest.join("etc/hostname")).unwrap(), b"here\n");
}
