//! From a finished stage to an image: config, manifest, layers.
//!
//! Source: OCI image specification, "manifest.md" and "config.md". Layers stay as they are in the store:
//! a base's blobs as they came, new layers uncompressed. Compression belongs to export.

use std::sync::Arc;

use kiln_layer::{LayerIndex, Tree, squash};
use kiln_oci::{Descriptor, Manifest, Platform, Raw, media_type};
use kiln_store::{Lease, Store};

use crate::error::BuildError;
use crate::options::{BuildContext, BuildOptions, ContextSource, Reproducible};
use crate::state::{Made, State};
use crate::time;

/// An image that was built, as documents in the store.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// What it runs on.
    pub platform: Platform,
    /// Descriptor of its manifest.
    pub manifest: Descriptor,
    /// Descriptor of its config.
    pub config: Descriptor,
}

/// Writes the documents of `state` to the store.
///
/// # Errors
/// If the store cannot take them, or squashing fails.
pub(crate) fn write_image(
    context: &BuildContext<'_>,
    lease: &Lease,
    mut state: State,
    options: &BuildOptions,
) -> Result<BuiltImage, BuildError> {
    let store = context.store;
    if options.squash {
        squash_own_layers(store, lease, &mut state)?;
    }
    let created = created(context, options).unwrap_or_else(|| state.created());
    state.config.created = Some(time::to_rfc3339(created));
    state.config.config.labels.extend(options.labels.clone());
    let platform = state.config.platform.clone();
    let config = Raw::new(state.config);
    let config_descriptor = Descriptor::of(media_type::OCI_CONFIG, config.bytes());
    let manifest = Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: config_descriptor.clone(),
        layers: state
            .layers
            .into_iter()
            .map(|layer| as_oci(layer.descriptor))
            .collect(),
        subject: None,
        annotations: options.annotations.clone(),
    });
    store.put_document(lease, config.bytes())?;
    store.put_document(lease, manifest.bytes())?;
    let mut descriptor = Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes());
    descriptor.platform = Some(platform.clone());
    Ok(BuiltImage {
        platform,
        manifest: descriptor,
        config: config_descriptor,
    })
}

/// The time that a reproducible build of a git context says it was made at: that of the commit, unless one was given.
/// It names the input better than the base's time does, and it is in no layer, so nothing is built anew for it.
fn created(context: &BuildContext<'_>, options: &BuildOptions) -> Option<i64> {
    match (options.reproducible, context.context) {
        (Reproducible::FromBase, ContextSource::Repository(repository)) => {
            Some(repository.committed)
        }
        _ => None,
    }
}

/// A base that came in Docker's format brings Docker's media types; in an OCI manifest the same bytes
/// have OCI's names. Annotations that describe a compressed format (eStargz) stay.
fn as_oci(mut descriptor: Descriptor) -> Descriptor {
    let media_type = match descriptor.media_type.as_str() {
        media_type::DOCKER_LAYER_TAR => media_type::OCI_LAYER_TAR,
        media_type::DOCKER_LAYER_GZIP => media_type::OCI_LAYER_GZIP,
        other => other,
    };
    descriptor.media_type = media_type.to_owned();
    descriptor
}

/// Makes one layer of those that this build added. The base's are left alone, so that they are still
/// shared; the history keeps every step, and all but the last squashed one become steps without a layer.
fn squash_own_layers(store: &Store, lease: &Lease, state: &mut State) -> Result<(), BuildError> {
    let own = state.layers.split_off(state.base_layers);
    if own.len() < 2 {
        state.layers.extend(own);
        return Ok(());
    }
    let index = |diff_id| store.layer_index(diff_id).map_err(BuildError::from);
    let mut base = Tree::new();
    for layer in &state.layers {
        base.apply(&index(&layer.diff_id)?)?;
    }
    let layers: Result<Vec<Arc<LayerIndex>>, _> =
        own.iter().map(|layer| index(&layer.diff_id)).collect();
    let mut writer = store.layer_writer(lease)?;
    squash(Some(&base), &layers?, store, &mut writer)?;
    let layer = store.commit_layer(lease, writer)?;
    let history = std::mem::take(&mut state.config.history);
    state.config.rootfs.diff_ids.truncate(state.base_layers);
    let before = history.len();
    state.config.history = history;
    let made = Made {
        diff_id: layer.diff_id,
        size: layer.size,
        created: state.created(),
    };
    state.push(&made, "squash".to_owned());
    let mut seen = 0;
    for step in &mut state.config.history[..before] {
        if !step.empty_layer {
            seen += 1;
            step.empty_layer = seen > state.base_layers;
        }
    }
    Ok(())
}
