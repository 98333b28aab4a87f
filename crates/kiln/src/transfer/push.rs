//! From the store to a registry.
//!
//! Layers that were built here lie uncompressed in the store and are compressed now, once: the store remembers the
//! result. Blobs go first, then manifests from the inside out, and the tag last, so that whatever a registry shows is
//! whole at any time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kiln_layer::Compression;
use kiln_oci::{Descriptor, Document, Image, Index, Manifest, Raw, Reference, media_type};
use kiln_remote::{Name, Repository};
use kiln_store::{Lease, Store, export};

use super::end::StoreEnd;
use super::moving::Transfers;
use super::{Along, transfer};
use crate::ui::report::Report;

/// What a push needs.
pub(crate) struct Push<'a> {
    /// Where from.
    pub(crate) store: &'a Store,
    /// Keeps what was compressed.
    pub(crate) lease: &'a Lease,
    /// Where to.
    pub(crate) repository: &'a Repository,
    /// Who is told.
    pub(crate) transfers: &'a Transfers<'a>,
    /// How layers are compressed that are not yet.
    pub(crate) compression: &'a Compression,
    /// Once true, it ends soon.
    pub(crate) cancelled: &'a Arc<AtomicBool>,
}

impl Push<'_> {
    /// Sends what `descriptor` stands for and gives it the name of `to`. Gives the descriptor that it has there: the
    /// same, unless layers had to be compressed.
    ///
    /// # Errors
    /// If something of it is not in the store, or the registry refuses it.
    pub(crate) fn run(
        &self,
        descriptor: &Descriptor,
        to: &Reference,
    ) -> Result<Descriptor, Report> {
        let top = self.outgoing(descriptor)?;
        let tag = match Name::from(to) {
            Name::Tag(tag) => Some(tag),
            Name::Digest(digest) if *digest == top.digest => None,
            Name::Digest(digest) => {
                return Err(Report::new(format!(
                    "the image is {}, and cannot be pushed as {digest}",
                    top.digest
                )));
            }
        };
        let source = StoreEnd::of_image(self.store, self.lease, None, to)?;
        let (transfers, cancelled) = (self.transfers, self.cancelled);
        transfer(
            &source,
            self.repository,
            &top,
            tag,
            Along::Nothing,
            transfers,
            cancelled,
        )?;
        Ok(top)
    }

    /// The form in which something leaves: with all layers compressed. Its documents are in the store.
    fn outgoing(&self, descriptor: &Descriptor) -> Result<Descriptor, Report> {
        let bytes = self.store.read_document(&descriptor.digest)?;
        match Document::parse(&bytes)? {
            Document::Manifest(manifest) if has_plain_layers(&manifest) => {
                let image = self.store.image_at(descriptor)?;
                self.compressed(descriptor, &image)
            }
            Document::Manifest(_) => Ok(descriptor.clone()),
            Document::Index(index) => self.index(descriptor, &index),
        }
    }

    fn compressed(&self, descriptor: &Descriptor, image: &Image) -> Result<Descriptor, Report> {
        let image = export::compressed(self.store, self.lease, image, self.compression)?;
        let kind = image.manifest.media_type.as_deref();
        let kind = kind.unwrap_or(media_type::OCI_MANIFEST);
        let bytes = image.manifest.bytes();
        self.store.put_document(self.lease, bytes)?;
        Ok(Descriptor {
            platform: descriptor.platform.clone(),
            annotations: descriptor.annotations.clone(),
            ..Descriptor::of(kind, bytes)
        })
    }

    /// An index whose manifests stay as they are is sent as it is.
    fn index(&self, descriptor: &Descriptor, index: &Index) -> Result<Descriptor, Report> {
        let mut children = vec![];
        for child in &index.manifests {
            if !self.store.has_blob(&child.digest)? {
                return Err(partial(child));
            }
            let kind = child.media_type.as_str();
            let is_document = media_type::is_manifest(kind) || media_type::is_index(kind);
            children.push(match is_document {
                true => self.outgoing(child)?,
                false => child.clone(),
            });
        }
        let mut pairs = children.iter().zip(&index.manifests);
        if pairs.all(|(new, old)| new.digest == old.digest) {
            return Ok(descriptor.clone());
        }
        let index = Raw::new(Index {
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            manifests: children,
            ..index.clone()
        });
        self.store.put_document(self.lease, index.bytes())?;
        Ok(Descriptor::of(media_type::OCI_INDEX, index.bytes()))
    }
}

/// Whether it is an image with layers that are not compressed.
fn has_plain_layers(manifest: &Manifest) -> bool {
    let config = manifest.config.media_type.as_str();
    let is_image = matches!(config, media_type::OCI_CONFIG | media_type::DOCKER_CONFIG);
    let plain = [media_type::OCI_LAYER_TAR, media_type::DOCKER_LAYER_TAR];
    let mut layers = manifest.layers.iter();
    is_image && layers.any(|layer| plain.contains(&layer.media_type.as_str()))
}

fn partial(child: &Descriptor) -> Report {
    let platform = child.platform.as_ref().map(ToString::to_string);
    let platform = platform.unwrap_or_else(|| child.digest.short());
    Report::new(format!(
        "the index also lists {platform}, which is not in the store"
    ))
    .hint("pull it with --all-platforms, or push one image of it with --platform")
}
