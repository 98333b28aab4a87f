//! Images in memory.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write as _};
use std::sync::Arc;

use kiln_layer::{Compression, compressor};
use kiln_oci::{
    Descriptor, Digest, History, Image, ImageConfig, Layer, Manifest, OpenError, Platform, Raw,
    media_type,
};

/// A layer whose content is in memory.
#[derive(Clone, Debug)]
pub struct MemoryLayer {
    descriptor: Descriptor,
    diff_id: Digest,
    content: Arc<[u8]>,
}

impl MemoryLayer {
    /// A layer of an uncompressed tar, compressed as said.
    ///
    /// # Panics
    /// If the compression cannot be had.
    #[must_use]
    pub fn new(tar: &[u8], compression: &Compression) -> Self {
        let out = compressor(Vec::new(), compression, 1);
        let mut out = out.expect("because tests name good compressions");
        out.write_all(tar).expect("because memory takes everything");
        let content = out.finish().expect("because memory takes everything");
        Self {
            descriptor: Descriptor::of(compression.media_type(), &content),
            diff_id: Digest::sha256(tar),
            content: content.into(),
        }
    }

    /// The same descriptor with other content: what a broken place gives.
    #[must_use]
    pub fn with_content(mut self, content: &[u8]) -> Self {
        self.content = content.into();
        self
    }
}

impl Layer for MemoryLayer {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError> {
        Ok(Box::new(Cursor::new(Arc::clone(&self.content))))
    }
}

/// Puts an image together.
///
/// ```
/// let image = kiln_testkit::ImageBuilder::new()
///     .layer(&kiln_testkit::Layer::new().file("a", "1").tar())
///     .build();
/// assert_eq!(image.layers.len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    config: ImageConfig,
    compression: Compression,
    layers: Vec<MemoryLayer>,
}

impl Default for ImageBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageBuilder {
    /// An image for this machine without layers. They will not be compressed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config: ImageConfig::scratch(Platform::host()),
            compression: Compression::None,
            layers: vec![],
        }
    }

    /// For another platform.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.config.platform = platform;
        self
    }

    /// Layers from now on are compressed like this.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Adds a layer on top, given its uncompressed tar.
    #[must_use]
    pub fn layer(self, tar: &[u8]) -> Self {
        let layer = MemoryLayer::new(tar, &self.compression);
        self.memory_layer(layer)
    }

    /// Adds a layer on top.
    #[must_use]
    pub fn memory_layer(mut self, layer: MemoryLayer) -> Self {
        self.config.rootfs.diff_ids.push(layer.diff_id);
        let number = self.layers.len();
        self.config.history.push(History {
            created_by: Some(format!("layer {number}")),
            ..History::default()
        });
        self.layers.push(layer);
        self
    }

    /// Changes the config.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut ImageConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// The image.
    ///
    /// # Panics
    /// If `config` changed the list of layers.
    #[must_use]
    pub fn build(self) -> Image {
        let config = Raw::new(self.config);
        let manifest = Raw::new(Manifest {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::of(media_type::OCI_CONFIG, config.bytes()),
            layers: self
                .layers
                .iter()
                .map(|layer| layer.descriptor.clone())
                .collect(),
            subject: None,
            annotations: BTreeMap::new(),
        });
        let layers = self.layers.into_iter();
        let layers = layers.map(|layer| Arc::new(layer) as Arc<dyn Layer>);
        Image::new(manifest, config, layers.collect())
            .expect("because the parts were made together")
    }
}
