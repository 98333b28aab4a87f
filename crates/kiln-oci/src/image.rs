//! An image is a value: raw manifest bytes, a config, and layers that can be opened. Where it lives is
//! a [`Source`]; where it goes is a [`Sink`].

use std::fmt;
use std::io::Read;
use std::ops::Deref;
use std::sync::Arc;

use crate::{Descriptor, Digest, ImageConfig, Manifest, Platform, Reference};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A parsed document together with the bytes it came from. The bytes are what is hashed and passed on;
/// the value is for reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw<T> {
    bytes: Vec<u8>,
    value: T,
}

impl<T: serde::de::DeserializeOwned> Raw<T> {
    /// Parses `bytes` and keeps them.
    ///
    /// # Errors
    /// Whatever is wrong with the JSON.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_slice(&bytes)?;
        Ok(Self { bytes, value })
    }
}

impl<T: serde::Serialize> Raw<T> {
    /// Writes a new document. This is the only way in which bytes are made from a value.
    #[must_use]
    pub fn new(value: T) -> Self {
        let bytes = serde_json::to_vec(&value).expect("because OCI documents have a JSON form");
        Self { bytes, value }
    }
}

impl<T> Raw<T> {
    /// The bytes as they were read or first written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::sha256(&self.bytes)
    }
}

impl<T> Deref for Raw<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Failure to open content that a document names.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {digest}")]
pub struct OpenError {
    /// What was to be opened.
    pub digest: Digest,
    /// Why it could not be.
    #[source]
    pub source: BoxError,
}

/// One layer of an image, wherever it lives.
pub trait Layer: Send + Sync {
    /// The descriptor as it stands in the manifest.
    fn descriptor(&self) -> &Descriptor;

    /// The digest of the uncompressed tar archive.
    fn diff_id(&self) -> &Digest;

    /// Opens the content as the descriptor describes it, compressed if that says so. The reader verifies
    /// the descriptor's digest, or the place it comes from did so before.
    ///
    /// # Errors
    /// If the content is not there or cannot be read.
    fn open(&self) -> Result<Box<dyn Read + Send>, OpenError>;
}

/// An image for one platform.
#[derive(Clone)]
pub struct Image {
    /// The manifest.
    pub manifest: Raw<Manifest>,
    /// The config.
    pub config: Raw<ImageConfig>,
    /// The layers, the lowest first; as many as the manifest and the config name.
    pub layers: Vec<Arc<dyn Layer>>,
}

/// Parts that do not make an image.
#[derive(Debug, thiserror::Error)]
#[error("the image is inconsistent: {layers} layers in its manifest, {diff_ids} in its config")]
pub struct InvalidImage {
    layers: usize,
    diff_ids: usize,
}

impl Image {
    /// Puts an image together after checking that manifest, config and layers agree in number.
    ///
    /// # Errors
    /// If they do not.
    pub fn new(
        manifest: Raw<Manifest>,
        config: Raw<ImageConfig>,
        layers: Vec<Arc<dyn Layer>>,
    ) -> Result<Self, InvalidImage> {
        let diff_ids = config.rootfs.diff_ids.len();
        if manifest.layers.len() != diff_ids || layers.len() != diff_ids {
            return Err(InvalidImage {
                layers: manifest.layers.len(),
                diff_ids,
            });
        }
        Ok(Self {
            manifest,
            config,
            layers,
        })
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("digest", &self.manifest.digest())
            .field("layers", &self.layers.len())
            .finish()
    }
}

/// Failure to get an image from where it lives.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is nothing by that name.
    #[error("no image `{name}` in {place}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// Where it was looked for, for a person: "the local store".
        place: String,
    },
    /// There is an image, but not for this platform.
    #[error("`{name}` has no image for {wanted}; it has {available}")]
    Platform {
        /// What was asked for.
        name: String,
        /// The platform that was asked for.
        wanted: Box<Platform>,
        /// The platforms there are, separated by commas.
        available: String,
    },
    /// The image breaks a rule of its format.
    #[error("`{name}` is not a valid image")]
    Invalid {
        /// What was asked for.
        name: String,
        /// The rule.
        #[source]
        source: BoxError,
    },
    /// The place could not be read.
    #[error("cannot read `{name}`")]
    Read {
        /// What was asked for.
        name: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

/// A place that images come from.
pub trait Source {
    /// The image that `reference` names, for `platform`.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn image(&self, reference: &Reference, platform: &Platform) -> Result<Image, SourceError>;
}

/// Failure to bring an image to a place.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the image to {place}")]
pub struct SinkError {
    /// Where it was to go, for a person.
    pub place: String,
    /// Why it did not.
    #[source]
    pub source: BoxError,
}

/// A place that images go to.
pub trait Sink {
    /// Stores `image` under `names`. Nothing becomes visible before all of it is there.
    ///
    /// # Errors
    /// If the place refuses it or cannot take it.
    fn put(&self, image: &Image, names: &[Reference]) -> Result<Descriptor, SinkError>;
}
