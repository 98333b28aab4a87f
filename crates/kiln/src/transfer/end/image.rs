//! A single image as an end of a transfer, and the other way round: what a source has as an image. Docker's archives
//! and its daemon know images only, not what they are made of.

use std::io::{self, Read};
use std::sync::Arc;

use kiln_oci::{
    Descriptor, Digest, Document, Image, ImageConfig, Index, Layer, Manifest, OpenError, Platform,
    Raw, Reference, SourceError, media_type,
};
use kiln_remote::{BlobSource, ContentError, ContentSource, Name, Repository};

use crate::registries;
use crate::ui::report::Report;

/// How deep indexes may nest. The specification sets no bound, and nobody writes more than two.
pub(crate) const MAX_DEPTH: usize = 8;

/// An image that is read.
pub(crate) struct ImageEnd(pub(crate) Image);

impl ImageEnd {
    /// Its manifest.
    pub(crate) fn root(&self) -> Descriptor {
        let kind = self.0.manifest.media_type.as_deref();
        let kind = kind.unwrap_or(media_type::OCI_MANIFEST);
        Descriptor::of(kind, self.0.manifest.bytes())
    }
}

struct LayerBlob(Arc<dyn Layer>);

impl BlobSource for LayerBlob {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut content = self.0.open().map_err(io::Error::other)?;
        io::copy(&mut content.by_ref().take(offset), &mut io::sink())?;
        Ok(content)
    }
}

impl ContentSource for ImageEnd {
    fn manifest(&self, _: &Descriptor) -> Result<Vec<u8>, ContentError> {
        Ok(self.0.manifest.bytes().to_vec())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn BlobSource + '_>, ContentError> {
        if descriptor.digest == self.0.manifest.config.digest {
            return Ok(Box::new(self.0.config.bytes().to_vec()));
        }
        let mut layers = self.0.layers.iter();
        let layer = layers.find(|layer| layer.descriptor().digest == descriptor.digest);
        let layer = layer.ok_or_else(|| format!("{} is no part of it", descriptor.digest))?;
        Ok(Box::new(LayerBlob(Arc::clone(layer))))
    }
}

/// A layer in a registry.
struct RemoteLayer {
    repository: Repository,
    descriptor: Descriptor,
    diff_id: Digest,
}

impl Layer for RemoteLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        match self.repository.open(&self.descriptor) {
            Ok(content) => Ok(Box::new(content)),
            Err(error) => Err(OpenError {
                digest: self.descriptor.digest,
                source: error.into(),
            }),
        }
    }
}

/// The image for `platform` that `reference` names in a registry. Its layers are fetched when they are read.
///
/// # Errors
/// If there is none, or not for this platform.
pub(crate) fn remote_image(
    repository: &Repository,
    reference: &Reference,
    platform: &Platform,
) -> Result<Image, Report> {
    let found = repository.manifest(Name::from(reference));
    let mut bytes = found.map_err(registries::failed)?.1;
    for _ in 0..MAX_DEPTH {
        let index = match Document::parse(&bytes)? {
            Document::Manifest(_) => return image_of(repository, bytes),
            Document::Index(index) => index,
        };
        let chosen = choose(&index, reference, platform)?;
        let found = repository.manifest(&chosen.digest);
        bytes = found.map_err(registries::failed)?.1;
    }
    Err(Report::new(format!(
        "{} nests indexes too deeply",
        reference.familiar()
    )))
}

fn image_of(repository: &Repository, manifest: Vec<u8>) -> Result<Image, Report> {
    let manifest: Raw<Manifest> = Raw::parse(manifest)?;
    let mut config = vec![];
    repository
        .download(&manifest.config, &mut config, &|_| {})
        .map_err(registries::failed)?;
    let config: Raw<ImageConfig> = Raw::parse(config)?;
    let pairs = manifest.layers.iter().zip(&config.rootfs.diff_ids);
    let layers = pairs.map(|(descriptor, diff_id)| -> Arc<dyn Layer> {
        Arc::new(RemoteLayer {
            repository: repository.clone(),
            descriptor: descriptor.clone(),
            diff_id: *diff_id,
        })
    });
    let layers = layers.collect();
    Ok(Image::new(manifest, config, layers)?)
}

/// The one of an index for a platform.
///
/// # Errors
/// With what there is, if there is none.
pub(crate) fn choose(
    index: &Index,
    reference: &Reference,
    platform: &Platform,
) -> Result<Descriptor, SourceError> {
    if let Some(chosen) = index.select(platform) {
        return Ok(chosen.clone());
    }
    let available = index.manifests.iter();
    let available: Vec<String> = available
        .filter_map(|manifest| manifest.platform.as_ref())
        .filter(|platform| platform.os != "unknown")
        .map(ToString::to_string)
        .collect();
    Err(SourceError::Platform {
        name: reference.familiar(),
        wanted: Box::new(platform.clone()),
        available: available.join(", "),
    })
}
