//! Images made out of images, tried on every trap that layers can set.

mod abi;
mod results;
mod traps;
mod verbs;

use std::sync::Arc;

use kiln_analyze::rewrite::Rewriter;
use kiln_layer::Tree;
use kiln_oci::{Image, Sink as _};
use kiln_store::{Lease, Store, StoreOptions};
use kiln_testkit::TempDir;

/// A store of one test's own.
pub(crate) struct Workbench {
    pub(crate) store: Store,
    pub(crate) lease: Lease,
    _directory: TempDir,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new();
        let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
        Self {
            lease: store.lease().unwrap(),
            store,
            _directory: directory,
        }
    }

    pub(crate) fn rewriter(&self) -> Rewriter<'_> {
        Rewriter::new(&self.store, &self.lease, Arc::default())
    }

    /// The image, brought into the store.
    pub(crate) fn keep(&self, image: &Image) -> Image {
        let descriptor = self.store.put(image, &[]).unwrap();
        self.store.image_at(&descriptor).unwrap()
    }

    /// What a container of it sees.
    pub(crate) fn tree(&self, image: &Image) -> Tree {
        let ids = image.config.rootfs.diff_ids.iter();
        let indexes: Vec<_> = ids.map(|id| self.store.layer_index(id).unwrap()).collect();
        Tree::of(&indexes).unwrap()
    }
}
