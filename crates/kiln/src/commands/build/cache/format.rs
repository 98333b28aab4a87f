//! What a cache of step results looks like in a registry or an OCI layout.
//!
//! One OCI artifact. Its config lists the steps; its layers are the layers that they made, compressed, each
//! once. The format is kiln's own: BuildKit's (`application/vnd.buildkit.cacheconfig.v0`) describes the
//! graph of its solver, which no other tool has. See `docs/design/build-cache.md`.

use std::collections::{BTreeMap, HashMap};

use kiln_build::Made;
use kiln_layer::Compression;
use kiln_oci::{Descriptor, Digest, Manifest, Raw, media_type};
use serde::{Deserialize, Serialize};

use crate::ui::report::Report;

/// `artifactType` of the manifest.
pub(super) const ARTIFACT: &str = "application/vnd.kiln.cache.v1";
/// Media type of the config.
const STEPS: &str = "application/vnd.kiln.cache.steps.v1+json";

/// The config.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Steps {
    /// How the layers are compressed, as kiln's store calls it.
    compression: String,
    steps: Vec<Step>,
}

/// A step and what it made.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    key: Digest,
    diff_id: Digest,
    /// Bytes of the uncompressed layer.
    size: u64,
    /// Seconds since 1970.
    created: i64,
    /// Digest of the compressed layer, one of the manifest's.
    layer: Digest,
}

/// What a cache knows: results by their keys, each with the layer as it lies there.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Known {
    /// How the layers are compressed, as kiln's store calls it.
    pub(super) compression: String,
    pub(super) steps: HashMap<Digest, (Made, Descriptor)>,
}

/// The two documents of a cache: config and manifest.
pub(super) struct Documents {
    pub(super) config: Vec<u8>,
    pub(super) manifest: Raw<Manifest>,
}

/// Writes a cache of `steps`, whose layers lie as `layers` says, by diff id. Steps without a layer are left
/// out. Equal caches are equal bytes.
pub(super) fn write(
    steps: &BTreeMap<Digest, Made>,
    layers: &HashMap<Digest, Descriptor>,
    compression: &Compression,
) -> Documents {
    let mut list = vec![];
    let mut blobs: BTreeMap<Digest, Descriptor> = BTreeMap::new();
    for (key, made) in steps {
        let Some(layer) = layers.get(&made.diff_id) else {
            continue;
        };
        blobs.insert(layer.digest, layer.clone());
        list.push(Step {
            key: *key,
            diff_id: made.diff_id,
            size: made.size,
            created: made.created,
            layer: layer.digest,
        });
    }
    let config = serde_json::to_vec(&Steps {
        compression: compression.to_string(),
        steps: list,
    });
    let config = config.expect("because the list has a JSON form");
    let manifest = Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: Some(ARTIFACT.to_owned()),
        config: Descriptor::of(STEPS, &config),
        layers: blobs.into_values().collect(),
        subject: None,
        annotations: BTreeMap::new(),
    });
    Documents { config, manifest }
}

/// Checks that `manifest` is a cache, and gives the descriptor of its config.
///
/// # Errors
/// If it is something else, such as an image or a cache of BuildKit.
pub(super) fn config_of(manifest: &Manifest) -> Result<&Descriptor, Report> {
    let kind = manifest.artifact_type.as_deref();
    if kind == Some(ARTIFACT) && manifest.config.media_type == STEPS {
        return Ok(&manifest.config);
    }
    let what = kind.unwrap_or(&manifest.config.media_type);
    Err(Report::new(format!(
        "it is not a cache that kiln wrote, but `{what}`"
    )))
}

/// Reads a cache.
///
/// # Errors
/// If the config is damaged.
pub(super) fn read(manifest: &Manifest, config: &[u8]) -> Result<Known, Report> {
    let list: Steps = serde_json::from_slice(config)?;
    let layers: HashMap<Digest, &Descriptor> = manifest
        .layers
        .iter()
        .map(|layer| (layer.digest, layer))
        .collect();
    let mut steps = HashMap::new();
    for step in list.steps {
        let Some(layer) = layers.get(&step.layer) else {
            continue;
        };
        let made = Made {
            diff_id: step.diff_id,
            size: step.size,
            created: step.created,
        };
        steps.insert(step.key, (made, (*layer).clone()));
    }
    Ok(Known {
        compression: list.compression,
        steps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::sha256(text.as_bytes())
    }

    #[test]
    fn a_cache_is_read_as_it_was_written() {
        let made = |layer: &str| Made {
            diff_id: digest(layer),
            size: 10,
            created: 1_700_000_000,
        };
        let steps = BTreeMap::from([
            (digest("a"), made("one")),
            (digest("b"), made("one")),
            (digest("c"), made("gone")),
        ]);
        let layer = Descriptor::of(media_type::OCI_LAYER_ZSTD, b"compressed");
        let layers = HashMap::from([(digest("one"), layer.clone())]);
        let written = write(&steps, &layers, &Compression::zstd(3));
        assert_eq!(written.manifest.layers, std::slice::from_ref(&layer));
        assert_eq!(
            config_of(&written.manifest).unwrap().digest,
            digest_of(&written.config)
        );
        let known = read(&written.manifest, &written.config).unwrap();
        let expected = [digest("a"), digest("b")].map(|key| (key, (made("one"), layer.clone())));
        assert_eq!(known.steps, HashMap::from(expected));
        assert_eq!(known.compression, Compression::zstd(3).to_string());
        let again = write(&steps, &layers, &Compression::zstd(3));
        assert_eq!(again.manifest.bytes(), written.manifest.bytes());
    }

    fn digest_of(bytes: &[u8]) -> Digest {
        Digest::sha256(bytes)
    }

    #[test]
    fn an_image_is_no_cache() {
        let image = kiln_testkit::ImageBuilder::new().build();
        let error = config_of(&image.manifest).unwrap_err();
        assert!(format!("{error:?}").contains("not a cache"), "{error:?}");
    }

    #[test]
    fn a_damaged_cache_is_an_error_or_knows_nothing() {
        let steps = BTreeMap::new();
        let written = write(&steps, &HashMap::new(), &Compression::None);
        assert!(read(&written.manifest, b"{}").is_err());
        assert!(read(&written.manifest, b"").is_err());
        let empty = br#"{"compression":"none","steps":[]}"#;
        assert!(read(&written.manifest, empty).unwrap().steps.is_empty());
    }
}
