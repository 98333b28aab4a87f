//! What the tests of the store share.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use kiln_layer::LayerIndex;
use kiln_oci::{Descriptor, Digest, Image, Platform, Reference, Sink as _, Source as _};
use kiln_store::{Lease, Store, StoreOptions};
use kiln_testkit::{ImageBuilder, Layer, TempDir};

/// A store in a directory of its own.
pub(crate) struct Home {
    pub(crate) store: Store,
    /// Dropped after the store.
    pub(crate) directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new();
        Self {
            store: open(directory.path()),
            directory,
        }
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        Self {
            store: open(directory.path()),
            directory,
        }
    }
}

pub(crate) fn open(root: &Path) -> Store {
    Store::open(root, &StoreOptions::default()).unwrap()
}

pub(crate) fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

/// An image of a base and a layer that changes it.
pub(crate) fn image() -> Image {
    ImageBuilder::new()
        .layer(&base().tar())
        .layer(&Layer::new().whiteout("etc/motd").file("app", "run").tar())
        .build()
}

pub(crate) fn base() -> Layer {
    Layer::new()
        .directory("etc")
        .file("etc/hostname", "here\n")
        .file("etc/motd", "hello\n")
        .hardlink("etc/name", "etc/hostname")
        .symlink("etc/link", "hostname")
}

pub(crate) fn put(store: &Store, image: &Image, as_name: &str) -> Descriptor {
    store.put(image, &[name(as_name)]).unwrap()
}

pub(crate) fn get(store: &Store, as_name: &str) -> Image {
    store.image(&name(as_name), &Platform::host()).unwrap()
}

/// Writes a layer with one file.
pub(crate) fn layer(store: &Store, lease: &Lease, path: &str, content: &[u8]) -> Arc<LayerIndex> {
    let mut writer = store.layer_writer(lease).unwrap();
    let size = content.len() as u64;
    let kind = kiln_layer::Kind::File { size };
    let entry = kiln_layer::Entry::new(path, kind);
    writer.file(&entry, &mut &content[..]).unwrap();
    store.commit_layer(lease, writer).unwrap()
}

/// Every file below `root` with its content.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
    files
}

/// The store holds no scratch files, and every blob is what its name says.
pub(crate) fn assert_sound(root: &Path) {
    for (name, content) in files(&root.join("blobs")) {
        let hex = Digest::sha256(&content).hex();
        assert_eq!(
            name,
            format!("sha256/{hex}"),
            "a blob that is not what its name says"
        );
    }
    for directory in ["work", "leases"] {
        let left = fs::read_dir(root.join(directory)).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "left in {directory}: {left:?}");
    }
}
