//! Image archives that are compressed as a whole.

use std::fs;
use std::io::{Read as _, Write as _};

use kiln_layer::{Compression, compressor};
use kiln_oci::{Platform, Sink as _};
use kiln_store::{PruneOptions, Store, archive, layout};
use kiln_testkit::{ImageBuilder, Layer, TempDir, noise};

use crate::fixture::{Home, assert_sound, get, image, name};

/// Three layers, the second one too large to be kept in memory, and all of them compressed by
/// `compression`.
fn large_image(compression: Compression) -> kiln_oci::Image {
    let layer = |seed, size| Layer::new().file("file", noise(seed, size)).tar();
    ImageBuilder::new()
        .compression(compression)
        .layer(&layer(1, 1000))
        .layer(&layer(2, 3 << 20))
        .layer(&layer(3, 100))
        .build()
}

fn docker_tar(image: &kiln_oci::Image) -> Vec<u8> {
    let mut bytes = vec![];
    archive::write_docker(image, &[name("app:1")], &mut bytes).unwrap();
    bytes
}

/// What `docker save` wrote before version 25: no layout, layers as plain archives.
fn old_docker_tar(image: &kiln_oci::Image) -> Vec<u8> {
    let mut tar = Layer::new();
    let mut names = vec![];
    for (number, layer) in image.layers.iter().enumerate() {
        let mut content = vec![];
        layer.open().unwrap().read_to_end(&mut content).unwrap();
        names.push(format!("{number}/layer.tar"));
        tar = tar.file(&names[number], content);
    }
    let layers = names.join("\",\"");
    let manifest =
        format!(r#"[{{"Config":"config.json","RepoTags":["app:1"],"Layers":["{layers}"]}}]"#);
    tar.file("config.json", image.config.bytes())
        .file("manifest.json", manifest)
        .tar()
}

fn packed(bytes: &[u8], with: &Compression) -> Vec<u8> {
    let mut out = compressor(vec![], with, 1).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = liblzma::write::XzEncoder::new(vec![], 1);
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn blobs(store: &Store) -> usize {
    let listed = fs::read_dir(store.root().join("blobs/sha256")).unwrap();
    listed.count()
}

/// Loads it, and looks whether all of `image` is there.
fn loads(bytes: &[u8], image: &kiln_oci::Image) {
    let home = Home::new();
    let file = home.directory.join("app.tar.x");
    fs::write(&file, bytes).unwrap();
    let images = archive::open_images(&file, &home.store).unwrap();
    assert_eq!(images.len(), 1);
    assert!(images[0].1.iter().any(|name| name.ends_with("app:1")));
    home.store.put(&images[0].0, &[name("app")]).unwrap();
    // What went into the store early is what the image needs, and no more.
    let blobs_then = blobs(&home.store);
    assert_eq!(blobs_then, image.layers.len() + 2);
    drop(images);
    home.store.prune(&PruneOptions::default()).unwrap();
    assert_eq!(blobs(&home.store), blobs_then);
    let stored = get(&home.store, "app");
    assert_eq!(stored.config.bytes(), image.config.bytes());
    assert_eq!(home.store.verify(|_| {}).unwrap(), []);
    for (number, diff_id) in image.config.rootfs.diff_ids.iter().enumerate() {
        let index = home.store.layer_index(diff_id).unwrap();
        assert_eq!(index.entries.len(), 1, "layer {number}");
    }
    assert_sound(home.directory.path());
}

#[test]
fn what_docker_saved_loads_however_it_is_compressed() {
    let gzip = Compression::Gzip { level: 1 };
    for inner in [Compression::None, gzip, Compression::zstd(1)] {
        let image = large_image(inner);
        let tar = docker_tar(&image);
        loads(&tar, &image);
        loads(&packed(&tar, &gzip), &image);
        loads(&packed(&tar, &Compression::zstd(1)), &image);
    }
    let image = large_image(Compression::None);
    loads(&xz(&docker_tar(&image)), &image);
    loads(&packed(&old_docker_tar(&image), &gzip), &image);
}

#[test]
fn a_base_in_a_compressed_archive_stays_while_it_is_used() {
    let home = Home::new();
    let image = large_image(Compression::None);
    let file = home.directory.join("app.tar.gz");
    let gzip = Compression::Gzip { level: 1 };
    fs::write(&file, packed(&docker_tar(&image), &gzip)).unwrap();
    for is_layout in [true, false] {
        let found = if is_layout {
            let layout = layout::open_into(&file, &home.store).unwrap();
            layout.find(Some("1"), &Platform::host()).unwrap()
        } else {
            let archive = archive::open_docker_into(&file, &home.store).unwrap();
            archive.find(Some("1"), &Platform::host()).unwrap()
        };
        home.store.prune(&PruneOptions::default()).unwrap();
        for (layer, same) in found.layers.iter().zip(&image.layers) {
            let (mut is, mut should) = (vec![], vec![]);
            layer.open().unwrap().read_to_end(&mut is).unwrap();
            same.open().unwrap().read_to_end(&mut should).unwrap();
            assert!(is == should, "{}", layer.diff_id());
        }
        assert_eq!(blobs(&home.store), 1, "the large layer is in the store");
        drop(found);
        home.store.prune(&PruneOptions::default()).unwrap();
        assert_eq!(blobs(&home.store), 0, "and not longer than it is needed");
    }
}

#[test]
fn without_a_store_it_is_said_what_to_do() {
    let directory = TempDir::new();
    let file = directory.join("app.tar.gz");
    fs::write(
        &file,
        packed(&docker_tar(&image()), &Compression::Gzip { level: 1 }),
    )
    .unwrap();
    for error in [
        archive::open_docker(&file).unwrap_err().to_string(),
        layout::open(&file).unwrap_err().to_string(),
    ] {
        assert!(
            error.contains("compressed with gzip; decompress it first"),
            "{error}"
        );
    }
}

#[test]
fn broken_ones_are_refused_and_leave_nothing() {
    let image = large_image(Compression::None);
    let gzip = Compression::Gzip { level: 1 };
    let whole = packed(&docker_tar(&image), &gzip);
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[middle..middle + 100].fill(0x55);
    let truncated = |part: usize| whole[..whole.len() * part / 100].to_vec();
    let cases = [
        truncated(0),
        truncated(1),
        truncated(50),
        truncated(99),
        whole[..whole.len() - 4].to_vec(),
        damaged,
        packed(&noise(1, 3 << 20), &gzip),
        packed(&Layer::new().file("manifest.json", "[{}]").tar(), &gzip),
        packed(&Layer::new().file("large", noise(1, 2 << 20)).tar(), &gzip),
        vec![0x1f, 0x8b, 8, 0, 0, 0],
    ];
    for (number, bytes) in cases.iter().enumerate() {
        let home = Home::new();
        let file = home.directory.join("app.tar.gz");
        fs::write(&file, bytes).unwrap();
        let opened = archive::open_images(&file, &home.store);
        assert!(opened.is_err(), "case {number} was taken");
        drop(opened);
        home.store.prune(&PruneOptions::default()).unwrap();
        assert_eq!(blobs(&home.store), 0, "case {number}");
        assert_sound(home.directory.path());
    }
}
