//! Subjects out of a store: layers that it has, and layers that are elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_analyze::{Subject, analyze};
use kiln_layer::{Compression, ContentAt as _};
use kiln_store::{Store, StoreOptions};
use kiln_testkit::{ImageBuilder, Layer, MemoryLayer, TempDir};

fn image(compression: Compression) -> kiln_oci::Image {
    (0..5)
        .fold(
            ImageBuilder::new().compression(compression),
            |image, number| {
                let path = format!("f{number}");
                image.layer(&Layer::new().file(&path, vec![number; 5_000]).tar())
            },
        )
        .build()
}

fn gzip() -> Compression {
    Compression::Gzip { level: 6 }
}

#[test]
fn a_layer_is_read_once() {
    let directory = TempDir::new();
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    let read = Arc::new(AtomicU64::new(0));
    let first = Subject::load("x", image(gzip()), &store, &read).unwrap();
    let blobs: u64 = first.layers.iter().map(|layer| layer.blob).sum();
    assert_eq!(read.load(Ordering::Relaxed), blobs);
    assert_eq!(analyze(&first).unwrap().stored.bytes, 25_000);
    drop(store);
    // Another process, with layers that cannot be opened any more.
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    let mut gone = image(gzip());
    for layer in &mut gone.layers {
        let unopenable = Gone(layer.descriptor().clone(), *layer.diff_id());
        *layer = Arc::new(unopenable);
    }
    let again = Subject::load("x", gone, &store, &read).unwrap();
    assert_eq!(again.layers.len(), 5);
    assert_eq!(
        read.load(Ordering::Relaxed),
        blobs,
        "nothing was read again"
    );
}

/// A layer that cannot be opened.
struct Gone(kiln_oci::Descriptor, kiln_oci::Digest);

impl kiln_oci::Layer for Gone {
    fn descriptor(&self) -> &kiln_oci::Descriptor {
        &self.0
    }

    fn diff_id(&self) -> &kiln_oci::Digest {
        &self.1
    }

    fn open(&self) -> Result<Box<dyn std::io::Read + Send>, kiln_oci::OpenError> {
        Err(kiln_oci::OpenError {
            digest: self.0.digest,
            source: "it is gone".into(),
        })
    }
}

#[test]
fn a_layer_that_is_not_what_it_says_is_refused() {
    let directory = TempDir::new();
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    let tar = Layer::new().file("a", "1").tar();
    let other = MemoryLayer::new(&Layer::new().file("a", "2").tar(), &Compression::None);
    let mut bytes = vec![];
    let mut opened = kiln_oci::Layer::open(&other).unwrap();
    std::io::Read::read_to_end(&mut opened, &mut bytes).unwrap();
    for content in [&bytes[..], &tar[..700], b"no tar at all, but long enough"] {
        let layer = MemoryLayer::new(&tar, &Compression::None).with_content(content);
        let image = ImageBuilder::new().memory_layer(layer).build();
        let loaded = Subject::load("x", image, &store, &Arc::default());
        assert!(loaded.is_err());
    }
    // The right one is taken, and nothing wrong was kept.
    let image = ImageBuilder::new().layer(&tar).build();
    assert!(Subject::load("x", image, &store, &Arc::default()).is_ok());
}

#[test]
fn files_are_read_from_the_layers_themselves() {
    let directory = TempDir::new();
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    for compression in [Compression::None, gzip()] {
        let subject = Subject::load("x", image(compression), &store, &Arc::default()).unwrap();
        let layer = &subject.layers[3].index;
        let mut content = vec![];
        let mut opened = subject
            .content()
            .open_at(&layer.diff_id, &layer.entries[0])
            .unwrap();
        std::io::Read::read_to_end(&mut opened, &mut content).unwrap();
        assert_eq!(content, [3; 5_000]);
    }
}
