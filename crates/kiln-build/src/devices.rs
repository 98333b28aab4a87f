//! `RUN --device`: devices by the specifications that their vendors leave on the machine.
//!
//! Source: Container Device Interface specification 1.0 (`SPEC.md`, sections "CDI JSON Specification" and "Container
//! edits"), and for which names mean what and who allows it, BuildKit's `docs/cdi.md`. A device node is bound from the
//! host, so that it works for ordinary users too; its mode and owner are those of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kiln_dockerfile::syntax::Device as Request;
use kiln_run::sandbox::Mount;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What of the machine's devices a build may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Where specifications are. Where two directories describe one device, the later one is right.
    pub directories: Vec<PathBuf>,
    /// Which devices the person who builds allows, beside those whose specifications say that nobody need be asked.
    pub allowed: AllowedDevices,
}

/// The devices that a build may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedDevices {
    /// Those of these names, as in `vendor.example/gpu=0`, or kinds, as in `vendor.example/gpu`.
    These(BTreeSet<String>),
    /// All.
    All,
}

impl Default for DeviceOptions {
    /// The directories that the specification names, and no device.
    fn default() -> Self {
        Self {
            directories: vec!["/etc/cdi".into(), "/var/run/cdi".into()],
            allowed: AllowedDevices::These(BTreeSet::new()),
        }
    }
}

/// Why a step cannot have a device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No specification describes it.
    #[error("this step requires the device `{name}`, which no specification in {directories} describes{}", there_is(.known))]
    Unknown {
        /// As requested.
        name: String,
        /// Where was looked.
        directories: String,
        /// Devices that are described.
        known: Vec<String>,
    },
    /// The person who builds did not allow it.
    #[error(
        "this step asks for the device `{0}`; allow it with `--allow device={0}`, or all with `--allow device`"
    )]
    NotAllowed(String),
    /// A specification cannot be read.
    #[error("cannot read the device specification `{path}`: {reason}")]
    Specification {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A specification asks for something that is not there or not known.
    #[error("cannot give the device `{device}` to the step: {reason}")]
    Edit {
        /// Its full name.
        device: String,
        /// What is wrong.
        reason: String,
    },
}

fn there_is(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; there is {}", names.join(", ")),
    }
}

/// What a step gets with its devices.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    /// Full names, each once.
    pub(crate) names: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) groups: Vec<u32>,
    /// What a person should know, in one line each.
    pub(crate) warnings: Vec<String>,
}

/// A file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Specification {
    kind: String,
    #[serde(default)]
    annotations: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    devices: Vec<DeviceEntry>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceEntry {
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Edits {
    env: Vec<String>,
    device_nodes: Vec<Node>,
    mounts: Vec<MountEdit>,
    #[serde(rename = "additionalGIDs", alias = "additionalGids")]
    additional_gids: Vec<u32>,
    hooks: Vec<IgnoredAny>,
    net_devices: Vec<IgnoredAny>,
    intel_rdt: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    path: PathBuf,
    host_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MountEdit {
    host_path: PathBuf,
    container_path: PathBuf,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default, rename = "type")]
    kind: String,
}

/// A device that is described.
struct Device {
    /// `vendor.example/class`.
    kind: String,
    annotations: BTreeMap<String, serde_json::Value>,
    /// Those of its file, then its own.
    edits: [Edits; 2],
}

impl Device {
    fn annotation(&self, key: &str) -> Option<String> {
        let value = self
            .annotations
            .get(&format!("org.mobyproject.buildkit.device.{key}"))?;
        // Written without quotes it is no text for a YAML reader.
        Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        )
    }
}

impl DeviceOptions {
    /// What `requests` come to. A device that is not required is left out where it is not there, and with a warning
    /// where it is not allowed.
    pub(crate) fn grant(&self, requests: &[Request]) -> Result<Granted, DeviceError> {
        let mut granted = Granted::default();
        if requests.is_empty() {
            return Ok(granted);
        }
        let devices = self.read()?;
        for request in requests {
            let found = find(&devices, &request.name);
            if found.is_empty() && request.required {
                return Err(DeviceError::Unknown {
                    name: request.name.clone(),
                    directories: list(&self.directories),
                    known: devices.keys().cloned().collect(),
                });
            }
            for name in found {
                let device = &devices[name];
                if self.allows(name, device) {
                    granted.add(name, device)?;
                } else if request.required {
                    return Err(DeviceError::NotAllowed(name.to_owned()));
                } else {
                    let refusal = DeviceError::NotAllowed(name.to_owned());
                    granted.warnings.push(format!("left out: {refusal}"));
                }
            }
        }
        Ok(granted)
    }

    fn allows(&self, name: &str, device: &Device) -> bool {
        let asked = match &self.allowed {
            AllowedDevices::All => true,
            AllowedDevices::These(these) => these.contains(name) || these.contains(&device.kind),
        };
        asked || device.annotation("autoallow").as_deref() == Some("true")
    }

    /// All described devices, by full name. Directories that are not there describe none.
    fn read(&self) -> Result<BTreeMap<String, Device>, DeviceError> {
        let mut devices = BTreeMap::new();
        for directory in &self.directories {
            let mut files: Vec<PathBuf> = fs::read_dir(directory)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| is_specification(path))
                .collect();
            files.sort();
            for path in files {
                for (name, device) in read_file(&path)? {
                    devices.insert(name, device);
                }
            }
        }
        Ok(devices)
    }
}

fn is_specification(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("json" | "yaml" | "yml"))
}

/// The most that a specification may hold; a real one has kilobytes.
const LARGEST: u64 = 4 << 20;

fn read_file(path: &Path) -> Result<Vec<(String, Device)>, DeviceError> {
    let wrong = |reason: String| DeviceError::Specification {
        path: path.to_owned(),
        reason,
    };
    let length = fs::metadata(path)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if length > LARGEST {
        return Err(wrong(format!("it has {length} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    // YAML's reader takes JSON too.
    let specification: Specification =
        serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let Specification {
        kind,
        annotations,
        devices,
        container_edits: shared,
    } = specification;
    let device = |entry: DeviceEntry| {
        let mut all = annotations.clone();
        all.extend(entry.annotations);
        let device = Device {
            kind: kind.clone(),
            annotations: all,
            edits: [shared.clone(), entry.container_edits],
        };
        (format!("{kind}={}", entry.name), device)
    };
    Ok(devices.into_iter().map(device).collect())
}

/// The devices that a name means: `kind=name` one, `kind=*` all of a kind, `kind` the first of it, and a word without a
/// slash those whose class it is.
fn find<'d>(devices: &'d BTreeMap<String, Device>, name: &str) -> Vec<&'d str> {
    let (kind, which) = name.split_once('=').unwrap_or((name, ""));
    let all = devices
        .iter()
        .filter(|(full, device)| match kind.contains('/') {
            true => device.kind == kind && (matches!(which, "" | "*") || *full == name),
            false => device.annotation("class").as_deref() == Some(name),
        });
    let first_only = kind.contains('/') && which.is_empty();
    let most = if first_only { 1 } else { usize::MAX };
    all.map(|(full, _)| full.as_str()).take(most).collect()
}

impl Granted {
    fn add(&mut self, name: &str, device: &Device) -> Result<(), DeviceError> {
        if self.names.iter().any(|known| known == name) {
            return Ok(());
        }
        self.names.push(name.to_owned());
        for edits in &device.edits {
            let wrong = |reason: String| DeviceError::Edit {
                device: name.to_owned(),
                reason,
            };
            for variable in &edits.env {
                let pair = variable.split_once('=');
                let (key, value) =
                    pair.ok_or_else(|| wrong(format!("`{variable}` is no NAME=VALUE")))?;
                self.env.push((key.to_owned(), value.to_owned()));
            }
            for node in &edits.device_nodes {
                let source = node.host_path.as_ref().unwrap_or(&node.path);
                self.mounts
                    .push(bind(source, &node.path, false, false).map_err(wrong)?);
            }
            for mount in &edits.mounts {
                if !matches!(&*mount.kind, "" | "bind" | "none") {
                    return Err(wrong(format!(
                        "mounts of type `{}` are not supported",
                        mount.kind
                    )));
                }
                let has = |option: &str| mount.options.iter().any(|own| own == option);
                let (source, target) = (&mount.host_path, &mount.container_path);
                self.mounts
                    .push(bind(source, target, has("ro"), has("rbind")).map_err(wrong)?);
            }
            self.groups.extend(&edits.additional_gids);
            let left_out = [
                ("hooks", !edits.hooks.is_empty()),
                ("network devices", !edits.net_devices.is_empty()),
                ("cache allocation (RDT)", edits.intel_rdt.is_some()),
            ];
            for (what, _) in left_out.iter().filter(|(_, wanted)| *wanted) {
                self.warnings.push(format!(
                    "the device `{name}` asks for {what}, which kiln does not do"
                ));
            }
        }
        Ok(())
    }
}

fn bind(source: &Path, target: &Path, read_only: bool, recursive: bool) -> Result<Mount, String> {
    if !target.is_absolute() {
        return Err(format!("`{}` is not absolute", target.display()));
    }
    if !source.exists() {
        return Err(format!("`{}` is not there", source.display()));
    }
    Ok(Mount::Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
        recursive,
    })
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

#[cfg(test)]
mod tests {
    use kiln_testkit::TempDir;

    use super::*;

    const YAML: &str = "cdiVersion: \"0.6.0\"\nkind: vendor.example/gpu\nannotations:\n  org.mobyproject.buildkit.device.class: fast\n\
        containerEdits:\n  env: [ALL=1]\ndevices:\n\
        - name: \"0\"\n  containerEdits:\n    env: [\"GPU=0=x\"]\n    deviceNodes:\n    - path: /dev/gpu0\n      hostPath: /dev/null\n      permissions: rw\n\
        - name: \"1\"\n  annotations:\n    org.mobyproject.buildkit.device.autoallow: true\n    org.mobyproject.buildkit.device.class: slow\n  containerEdits:\n    additionalGIDs: [44]\n    hooks:\n    - hookName: createContainer\n      path: /bin/x\n    mounts:\n    - {hostPath: /tmp, containerPath: /t, options: [ro, rbind]}\n";

    fn options(files: &[(&str, &str)], allowed: AllowedDevices) -> (TempDir, DeviceOptions) {
        let folder = TempDir::new();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let directories = vec![folder.path().to_owned(), "/nowhere/cdi".into()];
        (
            folder,
            DeviceOptions {
                directories,
                allowed,
            },
        )
    }

    fn request(name: &str, required: bool) -> Request {
        let name = name.to_owned();
        Request { name, required }
    }

    #[test]
    fn names_kinds_and_classes_find_devices() {
        let json = r#"{"cdiVersion":"0.5.0","kind":"other.example/net","devices":[{"name":"a","containerEdits":{"env":["N=1"]}}]}"#;
        let files = [
            ("a.yaml", YAML),
            ("b.json", json),
            ("c.txt", "not looked at"),
        ];
        let (_folder, options) = options(&files, AllowedDevices::All);
        for (name, expected) in [
            ("vendor.example/gpu=0", &["vendor.example/gpu=0"][..]),
            (
                "vendor.example/gpu=*",
                &["vendor.example/gpu=0", "vendor.example/gpu=1"],
            ),
            ("vendor.example/gpu", &["vendor.example/gpu=0"]),
            ("fast", &["vendor.example/gpu=0"]),
            ("slow", &["vendor.example/gpu=1"]),
            ("other.example/net=a", &["other.example/net=a"]),
            ("vendor.example/gpu=2", &[]),
            ("vendor.example", &[]),
        ] {
            let granted = options
                .grant(&[request(name, false), request(name, false)])
                .unwrap();
            assert_eq!(granted.names, expected, "{name}");
        }
        let error = options
            .grant(&[request("vendor.example/gpu=2", true)])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("vendor.example/gpu=2")
                && error.contains("there is other.example/net=a"),
            "{error}"
        );
    }

    #[test]
    fn edits_are_those_of_the_file_and_of_the_device() {
        let (_folder, options) = options(&[("a.yml", YAML)], AllowedDevices::All);
        let granted = options
            .grant(&[request("vendor.example/gpu=*", true)])
            .unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            granted.env,
            [pair("ALL", "1"), pair("GPU", "0=x"), pair("ALL", "1")]
        );
        assert_eq!(granted.groups, [44]);
        let bound: Vec<_> = granted
            .mounts
            .iter()
            .map(|mount| match mount {
                Mount::Bind {
                    source,
                    target,
                    read_only,
                    recursive,
                } => (
                    source.to_str().unwrap(),
                    target.to_str().unwrap(),
                    *read_only,
                    *recursive,
                ),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            bound,
            [
                ("/dev/null", "/dev/gpu0", false, false),
                ("/tmp", "/t", true, true)
            ]
        );
        assert!(
            granted.warnings[0].contains("hooks"),
            "{:?}",
            granted.warnings
        );
    }

    #[test]
    fn nobody_gets_a_device_that_was_not_allowed() {
        let these = |names: &[&str]| {
            AllowedDevices::These(names.iter().map(|&name| name.to_owned()).collect())
        };
        let all = [request("vendor.example/gpu=*", true)];
        let (_folder, mut options) = options(&[("a.yaml", YAML)], these(&[]));
        assert!(
            matches!(options.grant(&all), Err(DeviceError::NotAllowed(name)) if name == "vendor.example/gpu=0")
        );
        // The second one's specification says that nobody need be asked.
        assert_eq!(
            options.grant(&[request("slow", true)]).unwrap().names.len(),
            1
        );
        let left_out = options
            .grant(&[request("vendor.example/gpu=0", false)])
            .unwrap();
        assert!(
            left_out.names.is_empty() && left_out.warnings[0].contains("--allow device="),
            "{left_out:?}"
        );
        for allowed in ["vendor.example/gpu", "vendor.example/gpu=0"] {
            options.allowed = these(&[allowed]);
            assert_eq!(options.grant(&all).unwrap().names.len(), 2, "{allowed}");
        }
        options.allowed = these(&["vendor.example/gp"]);
        assert!(options.grant(&all).is_err());
    }

    #[test]
    fn wrong_specifications_are_named() {
        for (text, expected) in [
            ("kind: [", "a.yaml"),
            ("devices: []", "kind"),
            (
                "kind: v/c\ndevices:\n- name: x\n  containerEdits: {env: [NOTHING]}",
                "NAME=VALUE",
            ),
            (
                "kind: v/c\ndevices:\n- name: x\n  containerEdits: {deviceNodes: [{path: /dev/no/such}]}",
                "/dev/no/such",
            ),
            (
                "kind: v/c\ndevices:\n- name: x\n  containerEdits: {deviceNodes: [{path: dev, hostPath: /dev/null}]}",
                "not absolute",
            ),
            (
                "kind: v/c\ndevices:\n- name: x\n  containerEdits: {mounts: [{hostPath: /, containerPath: /x, type: nfs}]}",
                "nfs",
            ),
        ] {
            let (_folder, options) = options(&[("a.yaml", text)], AllowedDevices::All);
            let error = options
                .grant(&[request("v/c=x", true)])
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{expected:?} in {error}");
        }
    }
}
