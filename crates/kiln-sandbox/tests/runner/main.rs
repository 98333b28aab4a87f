//! Runs one sandbox for the tests: `sandbox-runner SPEC REPORT [single]`.
//!
//! SPEC is a [`Spec`] as JSON, the streams are the runner's own, and REPORT receives what came of it as
//! JSON. An ordinary user gets a user namespace, with `single` one of a single id.

use std::fs;

use kiln_sandbox::{IdMap, Mapping, SpawnError, Spec, Stdio, Stream};
use serde_json::{Value, json};

fn main() {
    kiln_sandbox::init_if_requested();
    let args: Vec<String> = std::env::args().collect();
    let [_, spec, report, rest @ ..] = args.as_slice() else {
        panic!("usage: sandbox-runner SPEC REPORT [single]");
    };
    let ids = if rest.is_empty() {
        IdMap::Automatic
    } else {
        IdMap::Single
    };
    let mut outcome = run(spec, ids);
    outcome["uid_map"] = json!(fs::read_to_string("/proc/self/uid_map").unwrap_or_default());
    fs::write(report, outcome.to_string()).expect("because the report's directory is there");
}

fn run(spec: &str, ids: IdMap) -> Value {
    let spec = fs::read(spec).expect("because the test wrote it");
    let spec: Spec = serde_json::from_slice(&spec).expect("because the test wrote it");
    let mut mapping = Value::Null;
    if kiln_sandbox::user_namespace_needed() {
        match kiln_sandbox::enter_user_namespace(ids) {
            Ok(entered) => mapping = describe(&entered.mapping),
            Err(error) => return json!({ "no_user_namespace": format!("{error:?}") }),
        }
    }
    let stdio = Stdio {
        stdin: Stream::Inherit,
        stdout: Stream::Inherit,
        stderr: Stream::Inherit,
    };
    match kiln_sandbox::spawn(&spec, stdio) {
        Ok(mut process) => {
            let notes = format!("{:?}", process.notes());
            let exit = process.wait().expect("because nobody kills the watcher");
            json!({
                "exit": format!("{:?}", exit.status),
                "created": exit.created_mount_points,
                "notes": notes,
                "mapping": mapping,
            })
        }
        Err(error) => {
            let created = match &error {
                SpawnError::SetUp {
                    created_mount_points,
                    ..
                } => created_mount_points.clone(),
                _ => Vec::new(),
            };
            json!({
                "error": error.to_string(),
                "hint": error.hint(),
                "exit_code": error.exit_code(),
                "created": created,
                "mapping": mapping,
            })
        }
    }
}

fn describe(mapping: &Mapping) -> Value {
    match mapping {
        Mapping::Subordinate { users, groups } => {
            json!({ "users": users.len(), "groups": groups.len() })
        }
        Mapping::Single { why } => json!({ "single": why }),
    }
}
