//! What a stage has become after some of its instructions: layers and a config.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kiln_layer::Tree;
use kiln_oci::{Descriptor, Digest, History, Image, ImageConfig, Platform, media_type};
use kiln_store::Store;

use crate::error::StepError;
use crate::key;
use crate::time;

/// A layer as the image's manifest will name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerRef {
    /// Digest of the uncompressed archive.
    pub(crate) diff_id: Digest,
    /// The blob: a base's own, or the uncompressed archive of a layer that was built here.
    pub(crate) descriptor: Descriptor,
}

/// The image so far.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) layers: Vec<LayerRef>,
    pub(crate) config: ImageConfig,
    /// How many of the layers came with the base image.
    pub(crate) base_layers: usize,
    /// The latest time that anything may have, in a reproducible build.
    pub(crate) epoch: Option<i64>,
    /// When the last layer was made, in seconds since 1970; the base's own time before there is one.
    created: Option<i64>,
}

/// What a step made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Digest of the layer.
    pub diff_id: Digest,
    /// Bytes of its uncompressed archive.
    pub size: u64,
    /// When it was made, in seconds since 1970.
    pub created: i64,
}

impl Made {
    /// The text that is kept under the step's key: digest, size and time.
    pub(crate) fn to_text(self) -> String {
        format!("{} {} {}", self.diff_id, self.size, self.created)
    }

    /// Reads such a text.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let (diff_id, size, created) = (words.next()?, words.next()?, words.next()?);
        let (diff_id, size) = (diff_id.parse().ok()?, size.parse().ok()?);
        Some(Self {
            diff_id,
            size,
            created: created.parse().ok()?,
        })
    }
}

impl State {
    /// An image with nothing in it.
    pub(crate) fn scratch(platform: Platform, epoch: Option<i64>) -> Self {
        Self {
            layers: vec![],
            config: ImageConfig::scratch(platform),
            base_layers: 0,
            epoch,
            created: None,
        }
    }

    /// What a base image brings. Its `OnBuild` triggers are the caller's business.
    pub(crate) fn of_image(image: &Image, epoch: Option<i64>) -> Self {
        let blobs = image.manifest.layers.iter().cloned();
        let layers: Vec<LayerRef> = blobs
            .zip(&image.config.rootfs.diff_ids)
            .map(|(descriptor, diff_id)| LayerRef {
                diff_id: *diff_id,
                descriptor,
            })
            .collect();
        Self {
            base_layers: layers.len(),
            layers,
            config: (*image.config).clone(),
            epoch,
            created: image.config.created.as_deref().and_then(time::from_rfc3339),
        }
    }

    /// The layers by their diff ids, the lowest first.
    pub(crate) fn chain(&self) -> Vec<Digest> {
        self.layers.iter().map(|layer| layer.diff_id).collect()
    }

    /// The chain as one digest.
    pub(crate) fn chain_key(&self) -> Digest {
        key::chain(&self.chain())
    }

    /// Adds a layer that was made here, and the step that made it.
    pub(crate) fn push(&mut self, made: &Made, created_by: String) {
        let diff_id = made.diff_id;
        self.created = Some(made.created);
        let descriptor = Descriptor::new(media_type::OCI_LAYER_TAR, diff_id, made.size);
        self.layers.push(LayerRef {
            diff_id,
            descriptor,
        });
        self.config.rootfs.diff_ids.push(diff_id);
        self.remember(created_by, false);
    }

    /// When the image so far was made: when its last layer was, which for a cached one may be long ago. A
    /// build that changes nothing therefore gives the same image.
    pub(crate) fn created(&self) -> i64 {
        self.epoch.or(self.created).unwrap_or_else(time::now)
    }

    /// Adds a step to the history.
    pub(crate) fn remember(&mut self, created_by: String, empty_layer: bool) {
        self.config.history.push(History {
            created: Some(time::to_rfc3339(self.created())),
            created_by: Some(created_by),
            author: self.config.author.clone(),
            comment: Some("kiln.dockerfile.v1".to_owned()),
            empty_layer,
        });
    }
}

/// Merged trees by their chains, each made once a build.
pub(crate) struct Trees<'a> {
    store: &'a Store,
    known: Mutex<HashMap<Digest, Tree>>,
}

impl<'a> Trees<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// The merged view of `chain`. The longest known part of it is taken as the start.
    ///
    /// # Errors
    /// If a layer's index can neither be read nor made, or a layer does not fit those below it.
    pub(crate) fn get(&self, chain: &[Digest]) -> Result<Tree, StepError> {
        let (mut tree, from) = self.start(chain);
        for diff_id in &chain[from..] {
            tree.apply(&self.store.layer_index(diff_id)?)?;
        }
        if from < chain.len() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(key::chain(chain), tree.clone());
        }
        Ok(tree)
    }

    fn start(&self, chain: &[Digest]) -> (Tree, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let lengths = (1..=chain.len()).rev();
        let found = lengths.filter_map(|length| {
            known
                .get(&key::chain(&chain[..length]))
                .map(|tree| (tree.clone(), length))
        });
        found.into_iter().next().unwrap_or_else(|| (Tree::new(), 0))
    }
}
