//! The local store as an end of a transfer.

use std::collections::HashMap;

use kiln_oci::{Descriptor, Digest, Document, Reference};
use kiln_remote::{BlobSource, ContentError, ContentSource, ContentTarget, Origin, Uploaded};
use kiln_store::{Lease, Store, StoreError};

use crate::transfer::moving::Counted;

/// The store. What arrives has no name yet: whoever moves it gives it one when all is there.
pub(crate) struct StoreEnd<'a> {
    store: &'a Store,
    lease: &'a Lease,
    /// The image's name, whose tags beside it may hold signatures.
    name: Option<Reference>,
    /// Repositories of registries that are known to have a blob.
    known: HashMap<Digest, Reference>,
}

impl<'a> StoreEnd<'a> {
    /// `lease` keeps what arrives.
    pub(crate) fn new(store: &'a Store, lease: &'a Lease) -> Self {
        Self {
            store,
            lease,
            name: None,
            known: HashMap::new(),
        }
    }

    /// The same for an image that is called `name` here, on its way to `to`. Layers that are part of other images
    /// from the same registry can be taken from those.
    pub(crate) fn of_image(
        store: &'a Store,
        lease: &'a Lease,
        name: Option<Reference>,
        to: &Reference,
    ) -> Result<Self, StoreError> {
        let mut known = HashMap::new();
        for other in store.references()? {
            let reference = other.reference;
            let is_near =
                reference.registry() == to.registry() && reference.repository() != to.repository();
            if !is_near {
                continue;
            }
            for manifest in store.manifests_of(&other.descriptor)? {
                for layer in &store.image_at(&manifest)?.manifest.layers {
                    known
                        .entry(layer.digest)
                        .or_insert_with(|| reference.clone());
                }
            }
        }
        Ok(Self {
            name,
            known,
            ..Self::new(store, lease)
        })
    }
}

impl ContentSource for StoreEnd<'_> {
    fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ContentError> {
        Ok(self.store.read_document(&descriptor.digest)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn BlobSource + '_>, ContentError> {
        self.lease.hold_blob(&descriptor.digest)?;
        match self.store.has_blob(&descriptor.digest)? {
            true => Ok(Box::new(self.store.blob_path(&descriptor.digest))),
            false => Err(StoreError::NoBlob {
                digest: descriptor.digest,
            }
            .into()),
        }
    }

    fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, ContentError> {
        let Some(name) = &self.name else {
            return Ok(None);
        };
        let beside = format!("{}/{}:{tag}", name.registry(), name.repository());
        Ok(self.store.reference(&beside.parse()?)?)
    }

    fn origin(&self, blob: &Descriptor) -> Option<Origin<'_>> {
        let reference = self.known.get(&blob.digest)?;
        Some(Origin {
            registry: reference.registry(),
            repository: reference.repository(),
        })
    }
}

impl ContentTarget for StoreEnd<'_> {
    fn put_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        _: Option<Origin<'_>>,
        progress: &dyn Fn(u64),
    ) -> Result<Uploaded, ContentError> {
        // Held before it is looked for: a prune that runs beside cannot take it in between.
        self.lease.hold_blob(&descriptor.digest)?;
        if self.store.has_blob(&descriptor.digest)? {
            return Ok(Uploaded::Existed);
        }
        let mut content = Counted::new(source.open(0)?, progress);
        self.store.put_blob(self.lease, descriptor, &mut content)?;
        Ok(Uploaded::Sent)
    }

    fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
        _: Option<&str>,
    ) -> Result<(), ContentError> {
        self.store.put_document(self.lease, bytes)?;
        let is_manifest = matches!(Document::parse(bytes), Ok(Document::Manifest(_)));
        // Layers are found by their diff ids from now on. What is no image has none.
        if is_manifest && let Ok(image) = self.store.image_at(descriptor) {
            self.store.adopt(self.lease, &image)?;
        }
        Ok(())
    }
}
