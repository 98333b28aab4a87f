//! The image config: what to run, with which environment, on top of which layers.
//!
//! Source: OCI image specification, "config.md"; Docker's image specification v1.2 for `Healthcheck`,
//! `OnBuild`, `Shell` and `ArgsEscaped`, which OCI leaves out but every builder writes. Fields that
//! neither names are kept as they came.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Digest, Platform};

/// The config document of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it runs on.
    #[serde(flatten)]
    pub platform: Platform,
    /// How containers of it run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// The layers by their uncompressed digests.
    pub rootfs: RootFs,
    /// How each layer, and each step without one, came to be.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
    /// Fields that no specification names.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The defaults of a container made from the image. Field names are Docker's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerConfig {
    /// `user[:group]`, names or numbers; empty means root.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub user: String,
    /// Ports a container listens on, `8080/tcp`.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "set",
        serialize_with = "as_set"
    )]
    pub exposed_ports: BTreeMap<String, ()>,
    /// `NAME=value`, in the order of definition.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub env: Vec<String>,
    /// The program, with its first arguments. `None` and empty differ: empty resets a base's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments, or the program where there is no entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// How to find out whether a container works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Windows: the arguments are one command line, already escaped.
    #[serde(
        skip_serializing_if = "std::ops::Not::not",
        deserialize_with = "null_is_default"
    )]
    pub args_escaped: bool,
    /// Places that hold data of their own.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "set",
        serialize_with = "as_set"
    )]
    pub volumes: BTreeMap<String, ()>,
    /// Where the program starts.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub working_dir: String,
    /// Instructions for images built on this one.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub on_build: Vec<String>,
    /// Free key and value pairs.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// What the shell form of RUN, CMD and ENTRYPOINT runs under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Fields that no specification names.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A health check, times in nanoseconds; zero means the runtime's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", args…]` or `["CMD-SHELL", command]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Time after which a check has failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time in which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between two checks during the start period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make a container unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// The layers of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed layers, the lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self {
            kind: "layers".to_owned(),
            diff_ids: vec![],
        }
    }
}

/// One step of the image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// A remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// The config of an image with nothing in it.
    #[must_use]
    pub fn scratch(platform: Platform) -> Self {
        Self {
            created: None,
            author: None,
            platform,
            config: ContainerConfig::default(),
            rootfs: RootFs::default(),
            history: vec![],
            extra: BTreeMap::new(),
        }
    }

    /// The document as kiln writes it: compact JSON in a fixed field order.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("because every field has a JSON form")
    }
}

impl ContainerConfig {
    /// The environment as pairs. An entry without `=` names an empty value.
    pub fn env_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env
            .iter()
            .map(|entry| entry.split_once('=').unwrap_or((entry, "")))
    }

    /// Sets `name`, in place where it stood, at the end otherwise.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        let same = |old: &&mut String| old.split('=').next() == Some(name);
        match self.env.iter_mut().find(same) {
            Some(old) => *old = entry,
            None => self.env.push(entry),
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Go writes `null` for what was never set.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Go's sets: objects whose values are empty objects.
fn set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, ()>, D::Error> {
    let map: Option<Map<String, Value>> = Option::deserialize(deserializer)?;
    Ok(map
        .unwrap_or_default()
        .into_iter()
        .map(|(key, _)| (key, ()))
        .collect())
}

fn as_set<S: Serializer>(set: &BTreeMap<String, ()>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(set.keys().map(|key| (key, Map::new())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERS: &str = r#"{"architecture":"amd64","config":{"Env":["PATH=/bin","A=b=c"],"Cmd":null,
        "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":3000000000},"OnBuild":["RUN x"],"Labels":null,
        "Shell":["/bin/bash","-c"],"ExposedPorts":{"80/tcp":{}},"Hostname":"h"},"created":"2026-01-01T00:00:00Z",
        "history":[{"created_by":"x","empty_layer":true}],"os":"linux","docker_version":"28",
        "rootfs":{"type":"layers","diff_ids":[]}}"#;

    #[test]
    fn every_field_survives_a_round_trip() {
        let config: ImageConfig = serde_json::from_str(DOCKERS).unwrap();
        assert_eq!(config.config.on_build, ["RUN x"]);
        assert_eq!(config.extra["docker_version"], "28");
        assert_eq!(config.config.extra["Hostname"], "h");
        let again: Value = serde_json::from_slice(&config.to_bytes()).unwrap();
        assert_eq!(
            again["config"]["Healthcheck"]["Interval"],
            3_000_000_000_i64
        );
        assert_eq!(
            again["config"]["ExposedPorts"]["80/tcp"],
            Value::Object(Map::new())
        );
        assert_eq!(
            serde_json::from_value::<ImageConfig>(again).unwrap(),
            config
        );
    }

    #[test]
    fn setting_a_variable_keeps_its_place() {
        let mut config = ContainerConfig::default();
        config.set_env("A", "1");
        config.set_env("AB", "2");
        config.set_env("A", "3");
        assert_eq!(config.env, ["A=3", "AB=2"]);
        assert_eq!(
            config.env_pairs().collect::<Vec<_>>(),
            [("A", "3"), ("AB", "2")]
        );
    }
}
