//! From the store to a registry.
//!
//! Layers that were built here lie uncompressed in the store and are compressed now, once: the store remembers the
//! result. Blobs go first, then manifests from the inside out, and the tag last, so that whatever a registry shows is
//! whole at any time.

use std::collections::HashMap;

use kiln_layer::Compression;
use kiln_oci::{Descriptor, Digest, Document, Image, Index, Manifest, Raw, Reference, media_type};
use kiln_remote::{Name, Repository, UploadOptions, Uploaded};
use kiln_store::{Lease, Store, export};

use super::moving::Transfers;
use super::parallel;
use crate::registries;
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
    /// How many blobs move at once.
    pub(crate) parallel: usize,
    /// How layers are compressed that are not yet.
    pub(crate) compression: &'a Compression,
}

/// An image or index in the form in which it leaves.
struct Outgoing {
    top: Descriptor,
    /// Manifests and indexes, what is inside before what holds it; the last is `top`.
    documents: Vec<(Descriptor, Vec<u8>)>,
    /// Everything else.
    blobs: Vec<Descriptor>,
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
        let outgoing = self.outgoing(descriptor)?;
        let name = Name::from(to);
        if let Name::Digest(digest) = name
            && *digest != outgoing.top.digest
        {
            return Err(Report::new(format!(
                "the image is {}, and cannot be pushed as {digest}",
                outgoing.top.digest
            )));
        }
        self.blobs(&outgoing)?;
        let (last, inner) = outgoing
            .documents
            .split_last()
            .expect("because there is at least the one that was asked for");
        for (descriptor, bytes) in inner {
            self.document(Name::Digest(&descriptor.digest), descriptor, bytes)?;
        }
        self.document(name, &last.0, &last.1)?;
        Ok(outgoing.top)
    }

    fn document(
        &self,
        name: Name<'_>,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), Report> {
        let put = self
            .repository
            .put_manifest(name, &descriptor.media_type, bytes);
        put.map(drop).map_err(registries::failed)
    }

    fn blobs(&self, outgoing: &Outgoing) -> Result<(), Report> {
        let others = self.mountable(&outgoing.blobs)?;
        parallel::each(self.parallel, outgoing.blobs.clone(), |descriptor| {
            let moving = self.transfers.begin(descriptor);
            let options = UploadOptions {
                mount_from: others.get(&descriptor.digest).cloned().unwrap_or_default(),
                ..UploadOptions::default()
            };
            let source = self.store.blob_path(&descriptor.digest);
            let sent = self
                .repository
                .upload(descriptor, &source, &options, &|done| moving.progress(done))
                .map_err(registries::failed)?;
            match sent {
                Uploaded::Existed | Uploaded::Mounted => moving.existed(),
                Uploaded::Sent => moving.arrived(),
            }
            Ok(())
        })
    }

    /// Repositories of the same registry that are known to have a blob, because an image of theirs was pulled or
    /// pushed.
    fn mountable(&self, blobs: &[Descriptor]) -> Result<HashMap<Digest, Vec<String>>, Report> {
        let mut others: HashMap<Digest, Vec<String>> =
            blobs.iter().map(|blob| (blob.digest, vec![])).collect();
        for known in self.store.references()? {
            let reference = known.reference;
            let is_other = reference.registry() == self.repository.registry()
                && reference.repository() != self.repository.name();
            if !is_other {
                continue;
            }
            for manifest in self.store.manifests_of(&known.descriptor)? {
                let image = self.store.image_at(&manifest)?;
                for layer in &image.manifest.layers {
                    if let Some(names) = others.get_mut(&layer.digest)
                        && !names.iter().any(|name| name == reference.repository())
                    {
                        names.push(reference.repository().to_owned());
                    }
                }
            }
        }
        Ok(others)
    }

    fn outgoing(&self, descriptor: &Descriptor) -> Result<Outgoing, Report> {
        let bytes = self.store.read_document(&descriptor.digest)?;
        match Document::parse(&bytes)? {
            Document::Manifest(manifest) => self.manifest(descriptor, &manifest, bytes),
            Document::Index(index) => self.index(descriptor, &index, bytes),
        }
    }

    fn manifest(
        &self,
        descriptor: &Descriptor,
        manifest: &Manifest,
        bytes: Vec<u8>,
    ) -> Result<Outgoing, Report> {
        let is_image = matches!(
            manifest.config.media_type.as_str(),
            media_type::OCI_CONFIG | media_type::DOCKER_CONFIG
        );
        if is_image && manifest.layers.iter().any(is_plain) {
            let image = self.store.image_at(descriptor)?;
            return self.compressed(descriptor, &image);
        }
        let config = std::iter::once(manifest.config.clone());
        Ok(Outgoing {
            top: descriptor.clone(),
            documents: vec![(descriptor.clone(), bytes)],
            blobs: config.chain(manifest.layers.clone()).collect(),
        })
    }

    fn compressed(&self, descriptor: &Descriptor, image: &Image) -> Result<Outgoing, Report> {
        let image = export::compressed(self.store, self.lease, image, self.compression)?;
        let kind = image.manifest.media_type.as_deref();
        let kind = kind.unwrap_or(media_type::OCI_MANIFEST);
        let top = Descriptor {
            platform: descriptor.platform.clone(),
            annotations: descriptor.annotations.clone(),
            ..Descriptor::of(kind, image.manifest.bytes())
        };
        self.store
            .put_document(self.lease, image.manifest.bytes())?;
        let config = std::iter::once(image.manifest.config.clone());
        Ok(Outgoing {
            documents: vec![(top.clone(), image.manifest.bytes().to_vec())],
            blobs: config.chain(image.manifest.layers.clone()).collect(),
            top,
        })
    }

    /// An index whose manifests stay as they are is sent as it is.
    fn index(
        &self,
        descriptor: &Descriptor,
        index: &Index,
        bytes: Vec<u8>,
    ) -> Result<Outgoing, Report> {
        let (mut documents, mut blobs, mut children) = (vec![], vec![], vec![]);
        for child in &index.manifests {
            if !self.store.has_blob(&child.digest)? {
                return Err(partial(child));
            }
            let kind = child.media_type.as_str();
            if !media_type::is_manifest(kind) && !media_type::is_index(kind) {
                blobs.push(child.clone());
                children.push(child.clone());
                continue;
            }
            let inner = self.outgoing(child)?;
            documents.extend(inner.documents);
            blobs.extend(inner.blobs);
            children.push(inner.top);
        }
        let is_same = children
            .iter()
            .zip(&index.manifests)
            .all(|(new, old)| new.digest == old.digest);
        let (top, bytes) = if is_same {
            (descriptor.clone(), bytes)
        } else {
            let index = Raw::new(Index {
                media_type: Some(media_type::OCI_INDEX.to_owned()),
                manifests: children,
                ..index.clone()
            });
            let top = Descriptor::of(media_type::OCI_INDEX, index.bytes());
            (top, index.bytes().to_vec())
        };
        documents.push((top.clone(), bytes));
        Ok(Outgoing {
            top,
            documents,
            blobs,
        })
    }
}

fn is_plain(layer: &Descriptor) -> bool {
    matches!(
        layer.media_type.as_str(),
        media_type::OCI_LAYER_TAR | media_type::DOCKER_LAYER_TAR
    )
}

fn partial(child: &Descriptor) -> Report {
    let platform = child.platform.as_ref().map(ToString::to_string);
    let platform = platform.unwrap_or_else(|| child.digest.short());
    Report::new(format!(
        "the index also lists {platform}, which is not in the store"
    ))
    .hint("pull it with --all-platforms, or push one image of it with --platform")
}
