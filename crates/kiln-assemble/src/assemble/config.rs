//! The documents of an image: config and manifest.
//!
//! Source: OCI image specification, "config.md" and "manifest.md". Layers stay uncompressed in the store;
//! they are compressed when the image leaves it.

use std::sync::Arc;

use kiln_layer::LayerIndex;
use kiln_oci::{
    ContainerConfig, Descriptor, History, ImageConfig, Manifest, Raw, RootFs, media_type,
};

use super::group::Group;
use super::package::Sifted;
use super::{AssembleContext, AssembleError, made};
use crate::spec::{Architecture, ConfigSpec};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes both documents and gives the manifest's descriptor.
pub(super) fn write(
    context: &AssembleContext<'_>,
    architecture: Architecture,
    groups: &[Group<'_>],
    sifted: &[Sifted],
    last: &Arc<LayerIndex>,
    epoch: i64,
) -> Result<Descriptor, AssembleError> {
    let created = rfc3339(epoch);
    let layers: Vec<&Arc<LayerIndex>> = sifted
        .iter()
        .map(|layer| &layer.index)
        .chain([last])
        .collect();
    let names = groups
        .iter()
        .map(Group::name)
        .chain(["users, links and files".to_owned()]);
    let history = names.map(|name| History {
        created: Some(created.clone()),
        created_by: Some(format!("kiln assemble # {name}")),
        ..History::default()
    });
    let has_bundle = last
        .entries
        .iter()
        .any(|entry| entry.entry.path == made::BUNDLE.as_bytes());
    let config = Raw::new(ImageConfig {
        created: Some(created.clone()),
        author: None,
        platform: architecture.platform(),
        config: container(&context.spec.config, has_bundle),
        rootfs: RootFs {
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
            ..RootFs::default()
        },
        history: history.collect(),
        extra: Default::default(),
    });
    let of_layer = |layer: &&Arc<LayerIndex>| {
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

/// Seconds since 1970 as RFC 3339 in UTC, by the Gregorian calendar with years that begin in March.
fn rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_specification_asks() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (315_532_800, "1980-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_702_118_321, "2023-12-09T10:38:41Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

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
