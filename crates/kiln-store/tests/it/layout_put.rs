//! Layouts that are filled blob by blob, as a copy from a registry does it.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use kiln_oci::{Descriptor, Image, Index, Platform, Raw, media_type};
use kiln_store::layout::{self, LayoutArchive, LayoutDirectory, LayoutError};
use kiln_testkit::TempDir;

use crate::fixture::{image, name};

fn parts(image: &Image) -> (Descriptor, Vec<(Descriptor, Vec<u8>)>) {
    let manifest = Descriptor::of(media_type::OCI_MANIFEST, image.manifest.bytes());
    let mut parts = vec![
        (manifest.clone(), image.manifest.bytes().to_vec()),
        (image.manifest.config.clone(), image.config.bytes().to_vec()),
    ];
    for layer in &image.layers {
        let mut bytes = vec![];
        layer.open().unwrap().read_to_end(&mut bytes).unwrap();
        parts.push((layer.descriptor().clone(), bytes));
    }
    (manifest, parts)
}

fn partial_files(directory: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += partial_files(&path);
        } else {
            count += usize::from(path.to_string_lossy().ends_with(".partial"));
        }
    }
    count
}

#[test]
fn a_directory_takes_content_in_any_order_from_many_threads() {
    let directory = TempDir::new();
    let layout = LayoutDirectory::create(directory.path()).unwrap();
    let image = image();
    let (manifest, parts) = parts(&image);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            for (descriptor, bytes) in parts.iter().rev() {
                let layout = &layout;
                scope.spawn(move || layout.put(descriptor, &mut &bytes[..]).unwrap());
            }
        }
    });
    layout.name(&manifest, &[name("app:1")]).unwrap();
    layout.name(&manifest, &[name("app:2")]).unwrap();
    assert_eq!(partial_files(directory.path()), 0);
    assert_eq!(
        layout.document(&manifest.digest).unwrap(),
        image.manifest.bytes()
    );
    let read = layout::open(directory.path()).unwrap();
    assert_eq!(read.entries().len(), 2);
    assert_eq!(read.entry(None).unwrap().digest, manifest.digest);
    for wanted in ["1", "docker.io/library/app:2"] {
        let found = read.find(Some(wanted), &Platform::host()).unwrap();
        assert_eq!(found.manifest.bytes(), image.manifest.bytes());
    }
}

#[test]
fn a_directory_refuses_what_is_not_what_it_is_called() {
    let directory = TempDir::new();
    let layout = LayoutDirectory::create(directory.path()).unwrap();
    let descriptor = Descriptor::of("a/b", b"content");
    for wrong in [&b"Content"[..], b"conten", b"content and more"] {
        let error = layout.put(&descriptor, &mut &wrong[..]).unwrap_err();
        assert!(matches!(error, LayoutError::Io { .. }), "{error:?}");
        assert!(!layout.has(&descriptor));
    }
    assert_eq!(partial_files(directory.path()), 0);
    layout.put(&descriptor, &mut &b"content"[..]).unwrap();
    assert!(layout.has(&descriptor));
}

#[test]
fn an_archive_is_a_layout_that_both_read() {
    let image = image();
    let (manifest, parts) = parts(&image);
    let archive = LayoutArchive::create(vec![]).unwrap();
    for (descriptor, bytes) in parts.iter().chain(&parts) {
        archive.put(descriptor, &mut &bytes[..]).unwrap();
        assert!(archive.has(descriptor));
    }
    let again = archive.document(&manifest.digest).unwrap();
    assert_eq!(again, image.manifest.bytes());
    let bytes = archive.finish(&manifest, &[name("app:1")], &[]).unwrap();
    let directory = TempDir::new();
    let path = directory.path().join("image.tar");
    fs::write(&path, bytes).unwrap();
    let read = layout::open(&path).unwrap();
    let mut content = vec![];
    for (descriptor, bytes) in &parts {
        content.clear();
        read.open(descriptor)
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        assert_eq!(&content, bytes);
    }
    assert!(read.find(Some("1"), &Platform::host()).is_ok());
}

#[test]
fn an_archive_refuses_what_is_not_what_it_is_called() {
    let layer = Descriptor::of(media_type::OCI_LAYER_TAR, &[7; 100_000]);
    let document = Descriptor::of(media_type::OCI_CONFIG, b"{}");
    for (descriptor, wrong) in [
        (&layer, vec![8; 100_000]),
        (&layer, vec![7; 99_999]),
        (&layer, vec![7; 100_001]),
        (&document, b"[]".to_vec()),
        (&document, b"{".to_vec()),
    ] {
        let archive = LayoutArchive::create(Cursor::new(vec![])).unwrap();
        assert!(archive.put(descriptor, &mut &wrong[..]).is_err());
        assert!(!archive.has(descriptor));
    }
}

#[test]
fn without_a_name_there_must_be_one_image() {
    let directory = TempDir::new();
    let layout = LayoutDirectory::create(directory.path()).unwrap();
    let empty = Raw::new(Index::new(vec![]));
    let other = Raw::new(Index::new(vec![Descriptor::of("a/b", b"x")]));
    for (index, tag) in [(&empty, "app:1"), (&other, "app:2")] {
        let descriptor = Descriptor::of(media_type::OCI_INDEX, index.bytes());
        layout.put(&descriptor, &mut index.bytes()).unwrap();
        layout.name(&descriptor, &[name(tag)]).unwrap();
    }
    let read = layout::open(directory.path()).unwrap();
    let error = read.entry(None).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("several images"), "{cause}");
    assert_eq!(read.entry(Some("2")).unwrap().digest, other.digest());
    assert!(read.entry(Some("3")).is_err());
}
