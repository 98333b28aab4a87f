//! An image out of an image: smaller, flatter or on another base, with everything else kept.
//!
//! All of it works from layer indexes and the tars in the store: nothing is unpacked, and memory does
//! not grow with content. What comes out depends on the image alone, so the same rewrite gives the same
//! digest on any machine and any number of threads: times come from the image, never from the clock.
//!
//! - [`Rewriter::squash`] and [`Rewriter::flatten`] make one layer of several;
//! - [`Rewriter::rebase`] puts an image's own layers on another base;
//! - [`Rewriter::trim`] leaves files out, by [rules](TrimOptions);
//! - [`Rewriter::recompress`] writes the same layers in another compression, and [`Rewriter::explain`]
//!   says beforehand what each would cost.
//!
//! Each of them computes anew, from the layers that it wrote, what a container would see, and compares
//! that with what it should be ([`kiln_layer::first_difference`]) before anyone can give it a name.

mod abi;
mod error;
mod explain;
mod history;
mod rebase;
mod recompress;
mod rules;
mod squash;
mod trim;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kiln_layer::{LayerIndex, LayerWriter, SquashError, Tree, first_difference};
use kiln_oci::{Descriptor, Digest, Image, ImageConfig, Manifest, Raw, media_type};
use kiln_store::{BlobWriter, Lease, Store};

pub use abi::AbiFinding;
pub use error::RewriteError;
pub use explain::{Candidate, Measured};
pub use rebase::{RebaseOptions, Rebased};
pub use rules::{RULES, Rule};
pub(crate) use rules::{as_path, patterns_of};
pub use trim::{TrimOptions, Trimmed, TrimmedBy};

/// Annotations that say what an image was built on.
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// Rewrites images of a store.
#[derive(Debug)]
pub struct Rewriter<'a> {
    store: &'a Store,
    lease: &'a Lease,
    cancelled: Arc<AtomicBool>,
}

/// How large an image is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Extent {
    /// Its layers.
    pub layers: usize,
    /// Bytes of the uncompressed layers, all together.
    pub uncompressed: u64,
    /// Bytes of the layers as they are stored, compressed or not.
    pub stored: u64,
}

/// An image that was made of another one. It lies in the store, without a name yet.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The new image.
    pub image: Image,
    /// Its manifest.
    pub descriptor: Descriptor,
    /// How large the old one was.
    pub before: Extent,
    /// How large it is.
    pub after: Extent,
}

/// A layer of the image to come.
#[derive(Clone, Debug)]
struct Piece {
    diff_id: Digest,
    descriptor: Descriptor,
}

impl<'a> Rewriter<'a> {
    /// Rewrites images of `store`; `lease` holds what is made until it has a name. Once `cancelled` is
    /// true, work ends soon with [`RewriteError::Cancelled`].
    #[must_use]
    pub fn new(store: &'a Store, lease: &'a Lease, cancelled: Arc<AtomicBool>) -> Self {
        Self {
            store,
            lease,
            cancelled,
        }
    }

    /// Bytes and layers of an image.
    ///
    /// # Errors
    /// If a layer is missing or damaged.
    pub fn extent(&self, image: &Image) -> Result<Extent, RewriteError> {
        let indexes = self.indexes(image)?;
        Ok(Extent {
            layers: indexes.len(),
            uncompressed: indexes.iter().map(|index| index.size).sum(),
            stored: image.manifest.layers.iter().map(|layer| layer.size).sum(),
        })
    }

    /// Where the images are.
    pub(crate) fn store(&self) -> &'a Store {
        self.store
    }

    /// What a container of the image sees.
    pub(crate) fn tree(&self, image: &Image) -> Result<Tree, RewriteError> {
        Ok(Tree::of(&self.indexes(image)?)?)
    }

    /// The indexes of an image's layers, all of which are in the store.
    fn indexes(&self, image: &Image) -> Result<Vec<Arc<LayerIndex>>, RewriteError> {
        let diff_ids = &image.config.rootfs.diff_ids;
        let mut indexes = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            self.check()?;
            indexes.push(self.store.layer_index(diff_id)?);
        }
        Ok(indexes)
    }

    /// Ends the work if someone asked for it.
    fn check(&self) -> Result<(), RewriteError> {
        match self.cancelled.load(Ordering::Relaxed) {
            true => Err(RewriteError::Cancelled),
            false => Ok(()),
        }
    }

    /// Writes a layer, to which `write` gives its entries. Their times stay whole.
    fn write_layer(
        &self,
        write: impl FnOnce(&mut LayerWriter<BlobWriter>) -> Result<(), SquashError>,
    ) -> Result<Arc<LayerIndex>, RewriteError> {
        self.check()?;
        let mut out = self.store.layer_writer(self.lease)?.with_nanos();
        write(&mut out)?;
        Ok(self.store.commit_layer(self.lease, out)?)
    }

    /// Puts the new image together and checks that it shows `expected`.
    fn finish(
        &self,
        source: &Image,
        pieces: Vec<Piece>,
        change: impl FnOnce(&mut ImageConfig),
        annotations: BTreeMap<String, String>,
        expected: &Tree,
    ) -> Result<Rewritten, RewriteError> {
        self.check()?;
        let mut tree = Tree::new();
        for piece in &pieces {
            tree.apply(&self.store.layer_index(&piece.diff_id)?)?;
        }
        if let Some(difference) = first_difference(&tree, expected) {
            return Err(RewriteError::View(difference));
        }
        let mut config = (*source.config).clone();
        config.rootfs.diff_ids = pieces.iter().map(|piece| piece.diff_id).collect();
        change(&mut config);
        let config = Raw::new(config);
        self.put(source, pieces, &config, annotations)
    }

    /// An image that is good as it is.
    fn unchanged(&self, image: &Image) -> Result<Rewritten, RewriteError> {
        let kind = image.manifest.media_type.as_deref();
        let kind = kind.unwrap_or(media_type::OCI_MANIFEST);
        let mut descriptor = Descriptor::of(kind, image.manifest.bytes());
        descriptor.platform = Some(image.config.platform.clone());
        let extent = self.extent(image)?;
        Ok(Rewritten {
            image: image.clone(),
            descriptor,
            before: extent,
            after: extent,
        })
    }

    /// Stores config and manifest of the new image.
    fn put(
        &self,
        source: &Image,
        pieces: Vec<Piece>,
        config: &Raw<ImageConfig>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Rewritten, RewriteError> {
        let manifest = Raw::new(Manifest {
            // zstd has no Docker media type; one kind of manifest for all results keeps it simple.
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            config: Descriptor::of(media_type::OCI_CONFIG, config.bytes()),
            layers: pieces.into_iter().map(|piece| piece.descriptor).collect(),
            annotations,
            ..(*source.manifest).clone()
        });
        self.store.put_document(self.lease, config.bytes())?;
        self.store.put_document(self.lease, manifest.bytes())?;
        self.store.sync_all()?;
        let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes());
        descriptor.platform = Some(config.platform.clone());
        let image = self.store.image_at(&descriptor)?;
        Ok(Rewritten {
            before: self.extent(source)?,
            after: self.extent(&image)?,
            image,
            descriptor,
        })
    }
}

impl Piece {
    /// A layer that was just written: an uncompressed tar.
    fn new(index: &LayerIndex) -> Self {
        Self {
            diff_id: index.diff_id,
            descriptor: Descriptor::new(media_type::OCI_LAYER_TAR, index.diff_id, index.size),
        }
    }

    /// All layers of an image as they are.
    fn all(image: &Image) -> Vec<Self> {
        let pairs = image.config.rootfs.diff_ids.iter();
        let pairs = pairs.zip(&image.manifest.layers);
        pairs
            .map(|(diff_id, descriptor)| Self {
                diff_id: *diff_id,
                descriptor: as_oci(descriptor),
            })
            .collect()
    }
}

/// The same bytes by their OCI name. Docker has no name for zstd, but some write one.
fn as_oci(descriptor: &Descriptor) -> Descriptor {
    let media_type = match descriptor.media_type.as_str() {
        media_type::DOCKER_LAYER_TAR => media_type::OCI_LAYER_TAR,
        media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP,
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => media_type::OCI_LAYER_ZSTD,
        other => other,
    };
    Descriptor {
        media_type: media_type.to_owned(),
        ..descriptor.clone()
    }
}

/// What the manifest says, without what it was built on: for images whose lowest layers are no base's
/// any more.
fn without_base(image: &Image) -> BTreeMap<String, String> {
    let mut annotations = image.manifest.annotations.clone();
    annotations.retain(|name, _| name != BASE_DIGEST && name != BASE_NAME);
    annotations
}
