//! The documents of an image: config and manifest.
//!
//! Source: OCI image specification, "config.md" and "manifest.md". Layers stay uncompressed in the store;
//! they are compressed when the image leaves it.

use std::sync::Arc;

use kiln_layer::LayerIndex;
use kiln_oci::{
    ContainerConfig, Descriptor, History, ImageConfig, Manifest, Raw, RootFs, media_type,
};

use super::{AssembleContext, AssembleError, made};
use crate::spec::{Architecture, ConfigSpec};
use crate::time::rfc3339;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes both documents and gives the manifest's descriptor. Layers have the names that the history shows.
pub(super) fn write(
    context: &AssembleContext<'_>,
    architecture: Architecture,
    layers: &[(String, Arc<LayerIndex>)],
    has_bundle: bool,
    epoch: i64,
) -> Result<Descriptor, AssembleError> {
    let created = rfc3339(epoch);
    let history = layers.iter().map(|(name, _)| History {
        created: Some(created.clone()),
        created_by: Some(format!("kiln assemble # {name}")),
        ..History::default()
    });
    let config = Raw::new(ImageConfig {
        created: Some(created.clone()),
        author: None,
        platform: architecture.platform(),
        config: container(&context.spec.config, has_bundle),
        rootfs: RootFs {
            diff_ids: layers.iter().map(|(_, layer)| layer.diff_id).collect(),
            ..RootFs::default()
        },
        history: history.collect(),
        extra: Default::default(),
    });
    let of_layer = |(_, layer): &(String, Arc<LayerIndex>)| {
        Descriptor::new(media_type::OCI_LAYER_TAR, layer.diff_id, layer.size)
    };
    let manifest = Raw::new(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(media_type::OCI_CONFIG, config.bytes()),
        layers: layers.iter().map(of_layer).collect(),
        subject: None,
        annotations: Default::default(),
    });
    context.store.put_document(context.lease, config.bytes())?;
    context
        .store
        .put_document(context.lease, manifest.bytes())?;
    Ok(Descriptor {
        platform: Some(architecture.platform()),
        ..Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes())
    })
}

fn container(wishes: &ConfigSpec, has_bundle: bool) -> ContainerConfig {
    let mut env = vec![];
    let defaults = [
        ("PATH", PATH.to_owned(), true),
        ("SSL_CERT_FILE", format!("/{}", made::BUNDLE), has_bundle),
    ];
    for (name, value, fits) in defaults {
        if fits && !wishes.env.contains_key(name) {
            env.push(format!("{name}={value}"));
        }
    }
    env.extend(
        wishes
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    ContainerConfig {
        user: wishes
            .user
            .clone()
            .unwrap_or_else(|| made::NONROOT.to_string()),
        env,
        entrypoint: wishes.entrypoint.clone(),
        cmd: wishes.cmd.clone(),
        working_dir: wishes.workdir.clone().unwrap_or_else(|| "/".to_owned()),
        labels: wishes.labels.clone(),
        ..ContainerConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_go_before_defaults() {
        let mut wishes = ConfigSpec::default();
        let config = container(&wishes, true);
        assert_eq!(config.user, "65532");
        assert_eq!(
            config.env[1],
            "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
        );
        wishes.env.insert("PATH".to_owned(), "/app".to_owned());
        wishes.user = Some("0".to_owned());
        let config = container(&wishes, false);
        assert_eq!(
            (config.env, config.user),
            (vec!["PATH=/app".to_owned()], "0".to_owned())
        );
    }
}
