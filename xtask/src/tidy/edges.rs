//! Which crate may use which: the table of ARCHITECTURE.md, asserted.
//!
//! A wall between crates holds only if something fails when it is climbed. The same check keeps
//! some outside crates behind the one crate of ours that is meant to know them.

use super::tree::{Finding, Tree, crate_of};

const RULE: &str = "crate-edges";

/// Our crates (without `kiln-`) and what each may use. `*` stands for all.
const ALLOWED: &[(&str, &[&str])] = &[
    ("oci", &[]),
    ("dockerfile", &[]),
    ("sandbox", &[]),
    ("fetch", &[]),
    ("packages", &[]),
    ("report", &[]),
    ("guard", &[]),
    ("layer", &["oci"]),
    ("policy", &["oci"]),
    ("wasm", &["oci"]),
    ("pages", &["oci", "layer"]),
    ("remote", &["oci", "fetch"]),
    ("trust", &["oci", "fetch"]),
    ("swarm", &["oci", "fetch"]),
    ("deploy", &["oci", "fetch"]),
    ("store", &["oci", "layer"]),
    ("run", &["oci", "layer", "sandbox"]),
    ("lint", &["dockerfile"]),
    ("scan", &["oci", "layer", "packages", "fetch"]),
    ("analyze", &["oci", "layer", "store", "packages", "run"]),
    (
        "assemble",
        &["oci", "layer", "store", "packages", "fetch", "run"],
    ),
    (
        "build",
        &["oci", "layer", "store", "dockerfile", "fetch", "run"],
    ),
    ("registry", &["oci", "layer", "fetch"]),
    ("ship", &["oci", "report"]),
    ("testkit", &["oci", "layer"]),
    ("kiln", &["*"]),
];

/// Outside crates that only the named crates of ours may use.
const WALLED: &[(&str, &[&str])] = &[
    ("ureq", &["kiln-fetch"]),
    ("rustls-native-certs", &["kiln-fetch", "kiln-registry"]),
    ("libc", &["kiln-sandbox"]),
    ("seccompiler", &["kiln-sandbox"]),
    ("rusqlite", &["kiln-store", "kiln-registry"]),
    ("resolvo", &["kiln-assemble"]),
    ("clap", &["kiln"]),
    ("clap_complete", &["kiln"]),
];

/// One line of a manifest's dependency table.
struct Dependency {
    name: String,
    line: usize,
    dev: bool,
    from_workspace: bool,
}

/// Looks at the manifest of every crate below `crates/`.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        if let Some(name) = crate_of(path).filter(|_| path.ends_with("/Cargo.toml")) {
            match dependencies(text) {
                Ok(list) => findings.extend(check_one(path, name, &list)),
                Err(error) => findings.push(Finding::new(RULE, path, 0, error)),
            }
        }
    }
    findings
}

fn check_one(path: &str, crate_name: &str, list: &[Dependency]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |line, message| findings.push(Finding::new(RULE, path, line, message));
    let short = crate_name.strip_prefix("kiln-").unwrap_or(crate_name);
    let allowed = ALLOWED
        .iter()
        .find(|(name, _)| *name == short)
        .map(|(_, allowed)| *allowed);
    if allowed.is_none() && crate_name != "xtask" {
        let message = format!("{crate_name} is not in the table of crates: say what it may use");
        report(0, message);
    }
    let allowed = allowed.unwrap_or(&[]);
    for dependency in list {
        let name = dependency.name.as_str();
        if !dependency.from_workspace {
            let message = format!("{name}: take it from the workspace with `workspace = true`");
            report(dependency.line, message);
        }
        if let Some((_, walls)) = WALLED.iter().find(|(outside, _)| *outside == name)
            && !walls.contains(&crate_name)
        {
            let message = format!(
                "{name} is for {} only, not for {crate_name}",
                walls.join(", ")
            );
            report(dependency.line, message);
        }
        let Some(target) = name
            .strip_prefix("kiln-")
            .or((name == "kiln").then_some("kiln"))
        else {
            continue;
        };
        if target == "testkit" {
            if !dependency.dev {
                report(
                    dependency.line,
                    "kiln-testkit is a dev-dependency only".to_owned(),
                );
            }
        } else if !allowed.contains(&target) && !allowed.contains(&"*") {
            let list = match allowed {
                [] => "nothing of ours".to_owned(),
                list => list.join(", "),
            };
            report(
                dependency.line,
                format!("{crate_name} may use {list}; not {name}"),
            );
        }
    }
    findings
}

/// Reads the dependency tables of a manifest, those under `[target.…]` too.
fn dependencies(text: &str) -> Result<Vec<Dependency>, String> {
    let manifest: toml::Table = text.parse().map_err(|error| format!("not TOML: {error}"))?;
    let mut tables = vec![&manifest];
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        tables.extend(targets.values().filter_map(toml::Value::as_table));
    }
    let mut list = Vec::new();
    for table in tables {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(entries) = table.get(kind).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, value) in entries {
                let workspace = value.get("workspace").and_then(toml::Value::as_bool);
                list.push(Dependency {
                    name: name.clone(),
                    line: line_of(text, name),
                    dev: kind == "dev-dependencies",
                    from_workspace: workspace == Some(true),
                });
            }
        }
    }
    Ok(list)
}

/// The first line that begins with `name` as a key. `toml` keeps no positions for a plain table.
fn line_of(text: &str, name: &str) -> usize {
    let is_key = |line: &str| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    text.lines().position(is_key).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, manifest: &str) -> Vec<String> {
        check(&Tree::of(&[(path, manifest)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_forbidden_edge_is_found_with_the_allowed_list() {
        let manifest = "[dependencies]\nkiln-oci.workspace = true\nkiln-fetch.workspace = true\n";
        assert_eq!(
            found("crates/kiln-store/Cargo.toml", manifest),
            [
                "crates/kiln-store/Cargo.toml:3: kiln-store may use oci, layer; \
                 not kiln-fetch (crate-edges)"
            ]
        );
        assert!(found("crates/kiln-remote/Cargo.toml", manifest).is_empty());
        assert!(found("crates/kiln/Cargo.toml", manifest).is_empty());
    }

    #[test]
    fn a_dev_or_target_edge_counts_too() {
        let manifest = "[target.'cfg(unix)'.dependencies]\nkiln-run.workspace = true\n\
                        [dev-dependencies]\nkiln-store.workspace = true\n";
        assert_eq!(found("crates/kiln-oci/Cargo.toml", manifest).len(), 2);
    }

    #[test]
    fn testkit_is_for_tests() {
        let dev = "[dev-dependencies]\nkiln-testkit.workspace = true\n";
        assert!(found("crates/kiln-oci/Cargo.toml", dev).is_empty());
        let normal = "[dependencies]\nkiln-testkit.workspace = true\n";
        assert!(found("crates/kiln-oci/Cargo.toml", normal)[0].contains("dev-dependency only"));
    }

    #[test]
    fn outside_crates_stay_behind_their_wall() {
        let manifest = "[dependencies]\nureq.workspace = true\n";
        assert!(found("crates/kiln-build/Cargo.toml", manifest)[0].contains("kiln-fetch only"));
        assert!(found("crates/kiln-fetch/Cargo.toml", manifest).is_empty());
    }

    #[test]
    fn versions_live_in_the_workspace() {
        let manifest = "[dependencies]\nserde = \"1\"\n";
        assert!(found("crates/kiln-oci/Cargo.toml", manifest)[0].contains("workspace = true"));
    }

    #[test]
    fn an_unknown_crate_or_a_broken_manifest_is_found() {
        assert!(
            found("crates/kiln-nova/Cargo.toml", "[package]\n")[0].contains("not in the table")
        );
        assert!(found("crates/kiln-oci/Cargo.toml", "[[[")[0].contains("not TOML"));
    }
}
