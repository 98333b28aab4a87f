//! Finds every difference between two images that were built from the same input.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::flatten::{Flat, Node};

/// One difference: where, what the oracle has, what the subject has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// `tree /path`, `config Field`, `layer N` or `history N`; numbers count from the base on.
    pub(crate) place: String,
    pub(crate) oracle: String,
    pub(crate) subject: String,
}

/// How many layers and history records came with the base.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base {
    pub(crate) layers: usize,
    pub(crate) history: usize,
}

/// How much of two images is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All.
    All,
    /// What a container sees: not how steps are cut into layers and what they are called.
    Result,
}

/// Every field of the config that a Dockerfile can set.
const FIELDS: &[&str] = &[
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "ExposedPorts",
    "Volumes",
    "Labels",
    "OnBuild",
    "Healthcheck",
    "Shell",
    "StopSignal",
    "ArgsEscaped",
];

/// Fields that buildah leaves out of OCI configs, and one that it always sets.
const NOT_BUILDAHS: &[&str] = &[
    "OnBuild",
    "Healthcheck",
    "Shell",
    "ArgsEscaped",
    "WorkingDir",
];

/// Compares `subject` with `oracle`. Times count where the oracle's is older than `start`, in
/// seconds: such a time came with the input, a younger one from the clock.
pub(crate) fn compare(
    (oracle, oracle_base): (&Flat, Base),
    (subject, subject_base): (&Flat, Base),
    start: i64,
    depth: Depth,
) -> Vec<Difference> {
    let mut found = Differences::default();
    found.trees(&oracle.tree, &subject.tree, start);
    let left_out = |field: &&&str| depth == Depth::Result && NOT_BUILDAHS.contains(field);
    for field in FIELDS.iter().filter(|field| !left_out(field)) {
        let value = |flat: &Flat| show(&flat.config["config"][*field]);
        found.note(format!("config {field}"), value(oracle), value(subject));
    }
    for field in ["author", "architecture", "os", "variant"] {
        let value = |flat: &Flat| show(&flat.config[field]);
        found.note(format!("config {field}"), value(oracle), value(subject));
    }
    if depth == Depth::Result {
        return found.0;
    }
    found.layers(&layers(oracle, oracle_base), &layers(subject, subject_base));
    found.histories(
        &history(oracle, oracle_base),
        &history(subject, subject_base),
    );
    found.0
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn note(&mut self, place: String, oracle: String, subject: String) {
        if oracle != subject {
            self.0.push(Difference {
                place,
                oracle,
                subject,
            });
        }
    }

    fn trees(
        &mut self,
        oracle: &BTreeMap<String, Node>,
        subject: &BTreeMap<String, Node>,
        start: i64,
    ) {
        let paths: BTreeSet<&String> = oracle.keys().chain(subject.keys()).collect();
        for path in paths {
            let (left, right) = (oracle.get(path), subject.get(path));
            let timed = left.is_some_and(|node| node.mtime < start);
            let show = |node: Option<&Node>| {
                node.map_or("nothing".to_owned(), |node| describe(node, timed))
            };
            self.note(format!("tree {path}"), show(left), show(right));
        }
    }

    fn layers(&mut self, oracle: &[String], subject: &[String]) {
        let count = |layers: &[String]| format!("{} layers", layers.len());
        self.note("layers".to_owned(), count(oracle), count(subject));
        for (number, (left, right)) in oracle.iter().zip(subject).enumerate() {
            self.note(format!("layer {number}"), left.clone(), right.clone());
        }
    }

    fn histories(&mut self, oracle: &[String], subject: &[String]) {
        let count = |records: &[String]| format!("{} records", records.len());
        self.note("history".to_owned(), count(oracle), count(subject));
        for (number, (left, right)) in oracle.iter().zip(subject).enumerate() {
            self.note(format!("history {number}"), left.clone(), right.clone());
        }
    }
}

fn describe(node: &Node, timed: bool) -> String {
    let Node {
        kind,
        mode,
        owner,
        size,
        digest,
        target,
        links,
        xattrs,
        mtime,
    } = node;
    let mut text = format!("{kind} {mode:04o} {}:{}", owner.0, owner.1);
    if let Some(digest) = digest {
        text += &format!(" {size} bytes {}", digest.get(..19).unwrap_or(digest));
    }
    if !target.is_empty() {
        text += &format!(" -> {target}");
    }
    if !links.is_empty() {
        text += &format!(" = {}", links.join(" = "));
    }
    for (name, value) in xattrs {
        text += &format!(" {name}={value}");
    }
    if timed {
        text += &format!(" @{mtime}");
    }
    text
}

/// An absent field, null and an empty list or map say the same.
fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.is_empty() => String::new(),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Object(members) if members.is_empty() => String::new(),
        Value::Bool(false) => String::new(),
        other => other.to_string(),
    }
}

fn layers(flat: &Flat, base: Base) -> Vec<String> {
    let own = flat.layers.iter().skip(base.layers);
    own.map(|layer| layer.entries.join(", ")).collect()
}

/// `created_by`, without the builder's mark at its end, and whether there is a layer.
fn history(flat: &Flat, base: Base) -> Vec<String> {
    let records = flat.config["history"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let line = |record: &Value| {
        let by = record["created_by"].as_str().unwrap_or_default();
        let by = by.strip_suffix(" # buildkit").unwrap_or(by);
        let empty = record["empty_layer"].as_bool().unwrap_or(false);
        format!("{by}{}", if empty { " (no layer)" } else { "" })
    };
    records.iter().skip(base.history).map(line).collect()
}

/// Layers of both images that have the same bytes, and layers of the oracle, base not counted.
pub(crate) fn equal_layers(oracle: &Flat, subject: &Flat, base: Base) -> (usize, usize) {
    let own = |flat: &Flat| -> Vec<String> {
        flat.layers
            .iter()
            .skip(base.layers)
            .map(|layer| layer.diff_id.clone())
            .collect()
    };
    let (oracle, subject) = (own(oracle), own(subject));
    let equal = oracle
        .iter()
        .zip(&subject)
        .filter(|(left, right)| left == right)
        .count();
    (equal, oracle.len())
}
