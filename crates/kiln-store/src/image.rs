//! Images in the store: as a source, and as a sink.

use std::io::{self, Read};
use std::sync::Arc;

use kiln_layer::index_tar;
use kiln_oci::{
    Descriptor, Digest, Document, Image, ImageConfig, Layer, Manifest, OpenError, Platform, Raw,
    Reference, Sink, SinkError, Source, SourceError, media_type,
};

use crate::blob::ReadAt;
use crate::error::StoreError;
use crate::layout::ATTESTATION;
use crate::lease::Lease;
use crate::store::Store;

/// How many bytes are copied at a time.
const BUFFER: usize = 256 << 10;

/// A layer whose blob is in the store, open: removing it meanwhile does no harm.
pub(crate) struct StoredLayer {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: Digest,
    pub(crate) file: Arc<std::fs::File>,
}

impl Layer for StoredLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        Ok(Box::new(ReadAt::start(Arc::clone(&self.file))))
    }
}

impl Store {
    /// The image whose manifest is at `descriptor`.
    ///
    /// # Errors
    /// If a part of it is missing or not valid.
    pub fn image_at(&self, descriptor: &Descriptor) -> Result<Image, StoreError> {
        let digest = descriptor.digest;
        let document = |source| StoreError::Document { digest, source };
        self.manifest(&digest)?;
        let manifest: Raw<Manifest> =
            Raw::parse(self.read_document(&digest)?).map_err(|error| document(error.into()))?;
        let config: Raw<ImageConfig> = Raw::parse(self.read_document(&manifest.config.digest)?)
            .map_err(|error| document(error.into()))?;
        let mut layers: Vec<Arc<dyn Layer>> = vec![];
        for (descriptor, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            layers.push(Arc::new(self.stored_layer(descriptor, diff_id)?));
        }
        Image::new(manifest, config, layers).map_err(|error| document(error.into()))
    }

    pub(crate) fn stored_layer(
        &self,
        descriptor: &Descriptor,
        diff_id: &Digest,
    ) -> Result<StoredLayer, StoreError> {
        let digest = descriptor.digest;
        let file = self.open_blob(&digest)?;
        let data = file.metadata();
        let actual = data
            .map_err(StoreError::io("look at", self.blob_path(&digest)))?
            .len();
        let expected = descriptor.size;
        if actual != expected {
            return Err(StoreError::Size {
                digest,
                expected,
                actual,
            });
        }
        Ok(StoredLayer {
            descriptor: descriptor.clone(),
            diff_id: *diff_id,
            file,
        })
    }

    /// The image whose manifest or config digest begins with `prefix`, at least four hexadecimal
    /// digits, if there is exactly one with a name.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn image_by_id(&self, prefix: &str) -> Result<Option<Image>, StoreError> {
        let hex = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if hex.len() < 4 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let mut found: Option<Descriptor> = None;
        for known in self.references()? {
            for manifest in self.manifests_of(&known.descriptor)? {
                let config = self.manifest(&manifest.digest)?.config.digest;
                let digests = [manifest.digest, config, known.descriptor.digest];
                if digests.iter().any(|digest| digest.hex().starts_with(hex)) {
                    let other = found.as_ref().map(|other| other.digest);
                    if other.is_some_and(|other| other != manifest.digest) {
                        return Ok(None);
                    }
                    found = Some(manifest);
                }
            }
        }
        found
            .map(|descriptor| self.image_at(&descriptor))
            .transpose()
    }

    fn manifest(&self, digest: &Digest) -> Result<Manifest, StoreError> {
        match self.document(digest)? {
            Document::Manifest(manifest) => Ok(*manifest),
            Document::Index(_) => Err(StoreError::Document {
                digest: *digest,
                source: "an index where a manifest should be".into(),
            }),
        }
    }

    pub(crate) fn document(&self, digest: &Digest) -> Result<Document, StoreError> {
        let bytes = self.read_document(digest)?;
        Document::parse(&bytes).map_err(|error| StoreError::Document {
            digest: *digest,
            source: error.into(),
        })
    }

    /// The images that a descriptor leads to: itself, or those of an index that are here. Attestations
    /// and other artifacts that an index lists beside its images are passed over.
    ///
    /// # Errors
    /// If a document is damaged.
    pub fn manifests_of(&self, descriptor: &Descriptor) -> Result<Vec<Descriptor>, StoreError> {
        let mut manifests = vec![];
        let mut pending = vec![descriptor.clone()];
        let mut seen = std::collections::HashSet::new();
        while let Some(descriptor) = pending.pop() {
            let kind = descriptor.media_type.as_str();
            let is_document = media_type::is_manifest(kind) || media_type::is_index(kind);
            if !seen.insert(descriptor.digest) || !is_document {
                continue;
            }
            match self.document(&descriptor.digest)? {
                Document::Manifest(manifest) => {
                    let is_attestation = descriptor.annotations.contains_key(ATTESTATION);
                    if !is_attestation && Self::is_image(&manifest) {
                        manifests.push(descriptor);
                    }
                }
                Document::Index(index) => {
                    for inner in index.manifests.into_iter().rev() {
                        if self.has_blob(&inner.digest)? {
                            pending.push(inner);
                        }
                    }
                }
            }
        }
        Ok(manifests)
    }

    /// The blobs that hold the layer `diff_id` in images with a name.
    pub(crate) fn blobs_in_images(&self, diff_id: &Digest) -> Result<Vec<Digest>, StoreError> {
        let mut blobs = vec![];
        for known in self.references()? {
            for descriptor in self.manifests_of(&known.descriptor)? {
                let manifest = self.manifest(&descriptor.digest)?;
                let bytes = self.read_document(&manifest.config.digest)?;
                let Ok(config) = serde_json::from_slice::<ImageConfig>(&bytes) else {
                    continue;
                };
                let pairs = manifest.layers.iter().zip(&config.rootfs.diff_ids);
                blobs.extend(
                    pairs
                        .filter(|(_, id)| *id == diff_id)
                        .map(|(layer, _)| layer.digest),
                );
            }
        }
        Ok(blobs)
    }

    /// Brings all of `image` into the store, every blob verified, without a name.
    ///
    /// # Errors
    /// If a blob cannot be had, is not what its digest says, or cannot be written.
    pub fn adopt(&self, lease: &Lease, image: &Image) -> Result<Descriptor, StoreError> {
        lease.hold_image(image)?;
        for layer in &image.layers {
            if !self.has_blob(&layer.descriptor().digest)? {
                self.adopt_layer(lease, &**layer)?;
            }
            if layer.descriptor().digest != *layer.diff_id() {
                let descriptor = layer.descriptor();
                self.record_compressed(layer.diff_id(), &descriptor.media_type, descriptor)?;
            }
        }
        self.put_document(lease, image.config.bytes())?;
        self.put_document(lease, image.manifest.bytes())?;
        self.sync_all()?;
        let kind = image.manifest.media_type.as_deref();
        let kind = kind.unwrap_or(media_type::OCI_MANIFEST);
        let mut descriptor = Descriptor::of(kind, image.manifest.bytes());
        descriptor.platform = Some(image.config.platform.clone());
        Ok(descriptor)
    }

    /// Copies a layer. An uncompressed one is indexed by the way.
    fn adopt_layer(&self, lease: &Lease, layer: &dyn Layer) -> Result<(), StoreError> {
        let digest = layer.descriptor().digest;
        let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Content {
            digest,
            source,
        };
        let mut content = layer.open().map_err(|error| unreadable(error.into()))?;
        if digest == *layer.diff_id() && digest.algorithm() == kiln_oci::Algorithm::Sha256 {
            let mut writer = self.unhashed_writer(lease)?;
            let index = index_tar(content, &mut writer)?;
            if index.diff_id != digest {
                return Err(StoreError::mismatch(&digest, &index.diff_id));
            }
            self.publish_hashed(lease, writer, digest)?;
            return self.keep_index(&Arc::new(index));
        }
        self.put_blob(lease, layer.descriptor(), &mut content)
    }

    /// Copies content of any kind, unless it is here. It becomes visible when it is whole and is what
    /// `descriptor` says.
    ///
    /// # Errors
    /// If it is not, cannot be read, or cannot be written.
    pub fn put_blob(
        &self,
        lease: &Lease,
        descriptor: &Descriptor,
        content: &mut dyn Read,
    ) -> Result<(), StoreError> {
        let digest = descriptor.digest;
        lease.hold_blob(&digest)?;
        if self.has_blob(&digest)? {
            return Ok(());
        }
        let mut writer = self.blob_writer_for(lease, &digest)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = match content.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| StoreError::Content {
                    digest,
                    source: error.into(),
                })?,
            };
            if read == 0 {
                break;
            }
            let written = io::Write::write_all(&mut writer, &buffer[..read]);
            written.map_err(StoreError::io("write", self.blob_path(&digest)))?;
        }
        writer.commit(Some(&digest)).map(drop)
    }

    /// Whether `manifest` describes an image, and not an attestation or another artifact.
    fn is_image(manifest: &Manifest) -> bool {
        let config = manifest.config.media_type.as_str();
        matches!(config, media_type::OCI_CONFIG | media_type::DOCKER_CONFIG)
            && manifest.artifact_type.is_none()
    }
}

impl Source for Store {
    fn image(&self, reference: &Reference, platform: &Platform) -> Result<Image, SourceError> {
        let name = reference.familiar();
        let read = |error: StoreError| SourceError::Read {
            name: name.clone(),
            source: error.into(),
        };
        let Some(descriptor) = self.reference(reference).map_err(read)? else {
            return Err(SourceError::NotFound {
                name,
                place: "the local store".to_owned(),
            });
        };
        let mut available = vec![];
        for manifest in self.manifests_of(&descriptor).map_err(read)? {
            let image = self.image_at(&manifest).map_err(read)?;
            if image.config.platform.satisfies(platform) {
                return Ok(image);
            }
            available.push(image.config.platform.to_string());
        }
        Err(SourceError::Platform {
            name,
            wanted: Box::new(platform.clone()),
            available: available.join(", "),
        })
    }
}

impl Sink for Store {
    fn put(&self, image: &Image, names: &[Reference]) -> Result<Descriptor, SinkError> {
        let put = || {
            let lease = self.lease()?;
            let descriptor = self.adopt(&lease, image)?;
            for name in names {
                self.set_reference(name, &descriptor)?;
            }
            Ok(descriptor)
        };
        put().map_err(|error: StoreError| SinkError {
            place: "the local store".to_owned(),
            source: error.into(),
        })
    }
}
