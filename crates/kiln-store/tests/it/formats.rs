//! OCI layouts, Docker's archives and root file system archives: written, read again, and damaged.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use kiln_layer::{Compression, Dialect, Entry, Kind, TarReader, TarWriter, compressor};
use kiln_oci::{
    Descriptor, Digest, Image, Index, Platform, Raw, Sink as _, SourceError, media_type,
};
use kiln_store::archive::{self, ArchiveError, ImportOptions};
use kiln_store::layout::{self, LayoutError};
use kiln_testkit::{ImageBuilder, Layer, TempDir, noise};

use crate::fixture::{Home, base, files, get, image, name};

fn content(image: &Image, number: usize) -> Vec<u8> {
    let mut bytes = vec![];
    let mut layer = image.layers[number].open().unwrap();
    layer.read_to_end(&mut bytes).unwrap();
    bytes
}

fn assert_same(one: &Image, other: &Image) {
    assert_eq!(one.manifest.bytes(), other.manifest.bytes());
    assert_eq!(one.config.bytes(), other.config.bytes());
    for number in 0..one.layers.len() {
        assert!(
            content(one, number) == content(other, number),
            "layer {number}"
        );
    }
}

fn zstd_image() -> Image {
    ImageBuilder::new()
        .compression(Compression::zstd(3))
        .layer(&base().tar())
        .build()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_layout_directory_is_read_as_it_was_written() {
    let directory = TempDir::new();
    for image in [image(), zstd_image()] {
        let names = [name("app:1"), name("example.org/app:2")];
        let images = std::slice::from_ref(&image);
        layout::write_directory(directory.path(), images, &names).unwrap();
        let layout = layout::open(directory.path()).unwrap();
        for wanted in ["1", "docker.io/library/app:1", "2", "example.org/app:2"] {
            assert_same(
                &layout.find(Some(wanted), &Platform::host()).unwrap(),
                &image,
            );
        }
        let by_digest = format!("@{}", image.manifest.digest());
        assert_same(
            &layout.find(Some(&by_digest), &Platform::host()).unwrap(),
            &image,
        );
        let error = layout.find(Some("3"), &Platform::host()).unwrap_err();
        assert!(matches!(error, SourceError::NotFound { .. }));
        let all = layout.images().unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].1, ["docker.io/library/app:1", "example.org/app:2"]);
    }
}

#[test]
fn a_second_image_joins_the_layout_under_its_own_name() {
    let directory = TempDir::new();
    layout::write_directory(directory.path(), &[image()], &[name("one")]).unwrap();
    layout::write_directory(directory.path(), &[zstd_image()], &[name("two")]).unwrap();
    let layout = layout::open(directory.path()).unwrap();
    let find = |wanted| layout.find(Some(wanted), &Platform::host()).unwrap();
    assert_same(&find("docker.io/library/one:latest"), &image());
    assert_same(&find("docker.io/library/two:latest"), &zstd_image());
    assert!(
        !files(directory.path())
            .keys()
            .any(|name| name.ends_with("partial"))
    );
}

#[test]
fn several_platforms_get_an_index_of_their_own() {
    let directory = TempDir::new();
    let other = Platform::new("linux", "s390x", None);
    let foreign = ImageBuilder::new()
        .platform(other.clone())
        .layer(&base().tar())
        .build();
    let images = [image(), foreign];
    layout::write_directory(directory.path(), &images, &[name("app")]).unwrap();
    let layout = layout::open(directory.path()).unwrap();
    assert_same(&layout.find(None, &Platform::host()).unwrap(), &images[0]);
    assert_same(&layout.find(Some("latest"), &other).unwrap(), &images[1]);
    let error = layout
        .find(None, &Platform::new("linux", "mips", None))
        .unwrap_err();
    assert!(error.to_string().contains("linux/s390x"), "{error}");
    // One platform's content is not there: the other can still be had.
    let gone = images[1].manifest.digest();
    fs::remove_file(directory.join(format!("blobs/sha256/{}", gone.hex()))).unwrap();
    let layout = layout::open(directory.path()).unwrap();
    assert_same(&layout.find(None, &Platform::host()).unwrap(), &images[0]);
}

#[test]
fn a_layout_archive_is_the_same_every_time_and_read_in_place() {
    let directory = TempDir::new();
    let mut one = vec![];
    layout::write_tar(&[image(), zstd_image()], &[name("app")], &mut one).unwrap();
    let mut two = vec![];
    layout::write_tar(&[image(), zstd_image()], &[name("app")], &mut two).unwrap();
    assert!(one == two);
    let file = directory.join("app.tar");
    fs::write(&file, &one).unwrap();
    let layout = layout::open(&file).unwrap();
    assert_same(
        &layout.find(Some("latest"), &Platform::host()).unwrap(),
        &image(),
    );
    assert_eq!(layout.images().unwrap().len(), 2);
    // Cut off anywhere, it is an error and no panic.
    for len in (0..one.len()).step_by(1709) {
        fs::write(&file, &one[..len]).unwrap();
        let read = layout::open(&file).and_then(|layout| layout.images());
        assert!(read.is_err(), "cut at {len}");
    }
}

#[test]
fn changed_content_of_a_layout_is_noticed() {
    let directory = TempDir::new();
    layout::write_directory(directory.path(), &[image()], &[]).unwrap();
    let layer = image().layers[0].descriptor().digest;
    let path = directory.join(format!("blobs/sha256/{}", layer.hex()));
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[700] ^= 1;
    let longer = [&good[..], b"x"].concat();
    let home = Home::new();
    for bad in [&flipped[..], &good[..good.len() - 512], &longer] {
        fs::write(&path, bad).unwrap();
        let image = layout::open(directory.path()).unwrap();
        let image = image.find(None, &Platform::host()).unwrap();
        let mut bytes = vec![];
        assert!(
            image.layers[0]
                .open()
                .unwrap()
                .read_to_end(&mut bytes)
                .is_err()
        );
        assert!(home.store.put(&image, &[name("bad")]).is_err());
    }
    let config = image().config.digest();
    fs::write(
        directory.join(format!("blobs/sha256/{}", config.hex())),
        b"{}",
    )
    .unwrap();
    let error = layout::open(directory.path())
        .unwrap()
        .images()
        .unwrap_err();
    assert!(
        matches!(error, LayoutError::Blob { digest, .. } if digest == config),
        "{error}"
    );
}

#[test]
fn what_is_no_layout_is_refused_with_a_reason() {
    let directory = TempDir::new();
    let error = layout::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("index.json"), "{error}");
    for bad in [
        "",
        "{",
        "[]",
        r#"{"schemaVersion":1}"#,
        r#"{"schemaVersion":2,"layers":[]}"#,
    ] {
        write(&directory.join("index.json"), bad.as_bytes());
        let error = layout::open(directory.path()).unwrap_err();
        assert!(
            matches!(error, LayoutError::NotALayout { .. }),
            "{bad}: {error}"
        );
    }
    let file = directory.join("noise");
    fs::write(&file, noise(1, 10_000)).unwrap();
    assert!(matches!(
        layout::open(&file),
        Err(LayoutError::NotALayout { .. })
    ));
    assert!(matches!(
        layout::open(&directory.join("none")),
        Err(LayoutError::Io { .. })
    ));
}

#[test]
fn indexes_that_nest_without_end_are_refused() {
    let directory = TempDir::new();
    let mut inner = Descriptor::of(media_type::OCI_MANIFEST, image().manifest.bytes());
    for _ in 0..20 {
        let index = Raw::new(Index::new(vec![inner]));
        inner = Descriptor::of(media_type::OCI_INDEX, index.bytes());
        let path = format!("blobs/sha256/{}", inner.digest.hex());
        write(&directory.join(path), index.bytes());
    }
    write(
        &directory.join("index.json"),
        Raw::new(Index::new(vec![inner])).bytes(),
    );
    let error = layout::open(directory.path())
        .unwrap()
        .images()
        .unwrap_err();
    assert!(error.to_string().contains("too deeply"), "{error}");
}

#[test]
fn attestations_are_no_images() {
    let directory = TempDir::new();
    layout::write_directory(directory.path(), &[image()], &[]).unwrap();
    let index = fs::read(directory.join("index.json")).unwrap();
    let mut index: Index = serde_json::from_slice(&index).unwrap();
    let mut attestation = index.manifests[0].clone();
    let kind = (
        "vnd.docker.reference.type".to_owned(),
        "attestation-manifest".to_owned(),
    );
    attestation.annotations.extend([kind]);
    index.manifests.insert(0, attestation);
    fs::write(directory.join("index.json"), Raw::new(index).bytes()).unwrap();
    assert_eq!(
        layout::open(directory.path())
            .unwrap()
            .images()
            .unwrap()
            .len(),
        1
    );
}

fn docker_archive(image: &Image, names: &[&str]) -> Vec<u8> {
    let names: Vec<_> = names.iter().map(|text| name(text)).collect();
    let mut bytes = vec![];
    archive::write_docker(image, &names, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_docker_archive_is_read_by_either_of_its_indexes() {
    let directory = TempDir::new();
    let file = directory.join("app.tar");
    for image in [image(), zstd_image()] {
        fs::write(
            &file,
            docker_archive(&image, &["app:1", "example.org/x/app:2"]),
        )
        .unwrap();
        let archive = archive::open_docker(&file).unwrap();
        assert_eq!(archive.images()[0].1, ["app:1", "example.org/x/app:2"]);
        assert_same(
            &archive.find(Some("app:1"), &Platform::host()).unwrap(),
            &image,
        );
        assert_same(&archive.find(Some("2"), &Platform::host()).unwrap(), &image);
        assert!(archive.find(Some("3"), &Platform::host()).is_err());
        assert!(
            archive
                .find(None, &Platform::new("linux", "mips", None))
                .is_err()
        );
        let layout = layout::open(&file).unwrap();
        assert_same(&layout.find(Some("1"), &Platform::host()).unwrap(), &image);
    }
}

/// What Docker before version 25 wrote: a directory for each layer, equal ones linked.
fn old_docker_archive() -> Vec<u8> {
    let layer = base().tar();
    let image = ImageBuilder::new().layer(&layer).layer(&layer).build();
    let config = format!("{}.json", image.config.digest().hex());
    let manifest = format!(
        r#"[{{"Config":"{config}","RepoTags":["old:1"],"Layers":["aa/layer.tar","bb/layer.tar"]}}]"#
    );
    let mut tar = TarWriter::new(vec![]);
    let mut file = |path: &str, content: &[u8]| {
        let size = content.len() as u64;
        tar.file(&Entry::new(path, Kind::File { size }), &mut &content[..])
            .unwrap();
    };
    file(&config, image.config.bytes());
    file("aa/layer.tar", &layer);
    file("manifest.json", manifest.as_bytes());
    let target = b"../aa/layer.tar".to_vec();
    tar.entry(&Entry::new("bb/layer.tar", Kind::Symlink { target }))
        .unwrap();
    tar.finish().unwrap()
}

#[test]
fn an_old_docker_archive_is_read() {
    let directory = TempDir::new();
    let file = directory.join("old.tar");
    fs::write(&file, old_docker_archive()).unwrap();
    let archive = archive::open_docker(&file).unwrap();
    let image = archive.find(Some("old:1"), &Platform::host()).unwrap();
    assert!(content(&image, 1) == base().tar());
    let home = Home::new();
    home.store.put(&image, &[name("old")]).unwrap();
    assert_eq!(get(&home.store, "old").layers.len(), 2);
}

#[test]
fn what_is_no_docker_archive_is_refused_with_a_reason() {
    let directory = TempDir::new();
    let file = directory.join("app.tar");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let error = archive::open_docker(&file).unwrap_err();
        assert!(
            matches!(error, ArchiveError::NotAnArchive { .. }),
            "{error}"
        );
        error.to_string()
    };
    assert!(refused(&base().tar()).contains("it has no `manifest.json`"));
    refused(&noise(3, 5000));
    assert!(refused(&[0x1f, 0x8b, 8, 0, 0, 0]).contains("compressed with gzip"));
    let one = |manifest: &str| {
        refused(
            &Layer::new()
                .file("manifest.json", manifest)
                .file("c", "{}")
                .tar(),
        )
    };
    one("{");
    one(r#"[{"Layers":[]}]"#);
    assert!(one(r#"[{"Config":"none","Layers":[]}]"#).contains("it has no `none`"));
    one(r#"[{"Config":"c","Layers":["c"]}]"#);
    assert!(one(r#"[{"Config":"../../etc/passwd","Layers":[]}]"#).contains("it has no"));
    let good = docker_archive(&image(), &["app"]);
    for len in (0..good.len() - 1024).step_by(2311) {
        refused(&good[..len]);
    }
}

fn import(home: &Home, bytes: Vec<u8>) -> Result<Image, ArchiveError> {
    let lease = home.store.lease().unwrap();
    let options = ImportOptions {
        platform: Platform::host(),
        created: Some("2026-01-01T00:00:00Z".to_owned()),
        comment: "from rootfs.tar".to_owned(),
    };
    archive::import(&home.store, &lease, Cursor::new(bytes), &options)
}

#[test]
fn a_root_file_system_becomes_an_image_however_it_is_compressed() {
    let home = Home::new();
    let tar = base().tar();
    let plain = import(&home, tar.clone()).unwrap();
    assert_eq!(plain.config.rootfs.diff_ids, [Digest::sha256(&tar)]);
    assert!(content(&plain, 0) == tar);
    assert_eq!(
        plain.config.history[0].comment.as_deref(),
        Some("from rootfs.tar")
    );
    for compression in [Compression::Gzip { level: 1 }, Compression::zstd(1)] {
        let mut out = compressor(vec![], &compression, 1).unwrap();
        out.write_all(&tar).unwrap();
        let again = import(&home, out.finish().unwrap()).unwrap();
        assert_eq!(again.manifest.bytes(), plain.manifest.bytes());
    }
    home.store.put(&plain, &[name("base")]).unwrap();
    assert_eq!(
        get(&home.store, "base").manifest.digest(),
        plain.manifest.digest()
    );
}

#[test]
fn a_damaged_root_file_system_is_refused_and_leaves_nothing() {
    let home = Home::new();
    let tar = base().file("big", noise(1, 100_000)).tar();
    assert!(import(&home, tar[..tar.len() / 2].to_vec()).is_err());
    assert!(import(&home, noise(1, 5000)).is_err());
    assert!(import(&home, vec![]).is_err());
    let mut compressed = compressor(vec![], &Compression::zstd(1), 1).unwrap();
    compressed.write_all(&tar).unwrap();
    let compressed = compressed.finish().unwrap();
    assert!(import(&home, compressed[..compressed.len() / 2].to_vec()).is_err());
    let home = home.reopen();
    crate::fixture::assert_sound(home.directory.path());
    assert_eq!(home.store.usage().unwrap().build_cache, 0);
}

/// The names in an archive.
pub(crate) fn names_in(tar: &[u8]) -> Vec<String> {
    let mut reader = TarReader::new(tar, Dialect::Archive);
    let mut names = vec![];
    while let Some(entry) = reader.next_entry().unwrap() {
        names.push(entry.display_path().into_owned());
    }
    names
}
