//! The configs of two images, field by field.

use std::collections::BTreeMap;

use kiln_oci::ImageConfig;
use serde::Serialize;

/// A field of the config that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The field in the words of a Dockerfile: `ENV PATH`, `CMD`, `LABEL version`.
    pub field: String,
    /// Its value in the first image, if it is set.
    pub before: Option<String>,
    /// Its value in the second image, if it is set.
    pub after: Option<String>,
}

/// The fields that differ. Who made an image, and when, are none of its.
pub(super) fn compare(before: &ImageConfig, after: &ImageConfig) -> Vec<FieldChange> {
    let (mut old, mut new) = (fields(before), fields(after));
    let mut keys: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    let changes = keys.into_iter().map(|field| FieldChange {
        before: old.remove(&field),
        after: new.remove(&field),
        field,
    });
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

/// All fields that are set.
fn fields(image: &ImageConfig) -> BTreeMap<String, String> {
    let config = &image.config;
    let mut fields = BTreeMap::new();
    let mut add = |field: String, value: String| drop(fields.insert(field, value));
    add("PLATFORM".to_owned(), image.platform.to_string());
    for (name, value) in config.env_pairs() {
        add(format!("ENV {name}"), value.to_owned());
    }
    for (name, value) in &config.labels {
        add(format!("LABEL {name}"), value.clone());
    }
    for port in config.exposed_ports.keys() {
        add(format!("EXPOSE {port}"), "yes".to_owned());
    }
    for volume in config.volumes.keys() {
        add(format!("VOLUME {volume}"), "yes".to_owned());
    }
    for (number, trigger) in config.on_build.iter().enumerate() {
        add(format!("ONBUILD {number}"), trigger.clone());
    }
    let texts = [
        (
            "USER",
            Some(config.user.clone()).filter(|text| !text.is_empty()),
        ),
        (
            "WORKDIR",
            Some(config.working_dir.clone()).filter(|text| !text.is_empty()),
        ),
        ("ENTRYPOINT", config.entrypoint.as_ref().map(json)),
        ("CMD", config.cmd.as_ref().map(json)),
        ("SHELL", config.shell.as_ref().map(json)),
        ("HEALTHCHECK", config.healthcheck.as_ref().map(json)),
        ("STOPSIGNAL", config.stop_signal.clone()),
    ];
    for (field, value) in texts {
        if let Some(value) = value {
            add(field.to_owned(), value);
        }
    }
    for (field, value) in &config.extra {
        add(format!("config.{field}"), value.to_string());
    }
    fields
}

/// A value as JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("because configs have a JSON form")
}
