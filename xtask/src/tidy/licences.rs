//! Every crate in the tree, on every platform, has a licence that we may ship under.
//!
//! `cargo deny check` says the same and more, but must be installed; this needs only cargo. The
//! list here is that of `deny.toml`, and a test holds the two together.

use std::path::Path;
use std::process::Command;

use super::tree::Finding;

const RULE: &str = "licence";

/// SPDX identifiers that may occur in the tree.
pub(crate) const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
    "bzip2-1.0.6",
];

/// Asks cargo for the whole tree of dependencies and looks at each licence.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("tidy asks cargo for the dependencies: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata failed: {}", stderr.trim()));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata gave no JSON: {error}"))?;
    Ok(check_metadata(&metadata))
}

fn check_metadata(metadata: &serde_json::Value) -> Vec<Finding> {
    let packages = metadata["packages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut findings = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or("?");
        let version = package["version"].as_str().unwrap_or("?");
        let message = match package["license"].as_str() {
            Some(expression) if is_allowed(expression) => continue,
            Some(expression) => format!("{name} {version}: `{expression}` is not in the list"),
            None => format!("{name} {version} names no licence"),
        };
        findings.push(Finding::new(RULE, "Cargo.lock", 0, message));
    }
    findings
}

/// Whether an SPDX expression can be met from [`ALLOWED`].
///
/// SPDX specification, annex "SPDX license expressions": `WITH` binds tighter than `AND`, `AND`
/// tighter than `OR`. Old manifests write `/` for `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allowed = any_of(&tokens, &mut at);
    allowed && at == tokens.len()
}

fn any_of(tokens: &[&str], at: &mut usize) -> bool {
    let mut allowed = all_of(tokens, at);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(tokens, at);
    }
    allowed
}

fn all_of(tokens: &[&str], at: &mut usize) -> bool {
    let mut allowed = one(tokens, at);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(tokens, at);
    }
    allowed
}

fn one(tokens: &[&str], at: &mut usize) -> bool {
    let Some(token) = tokens.get(*at) else {
        return false;
    };
    *at += 1;
    if *token == "(" {
        let allowed = any_of(tokens, at);
        let closed = tokens.get(*at) == Some(&")");
        *at += usize::from(closed);
        return allowed && closed;
    }
    match (tokens.get(*at), tokens.get(*at + 1)) {
        (Some(&"WITH"), Some(exception)) => {
            *at += 2;
            ALLOWED.contains(&format!("{token} WITH {exception}").as_str())
        }
        _ => ALLOWED.contains(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        assert!(is_allowed("MIT"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("GPL-3.0 OR MIT"));
        assert!(is_allowed("GPL-2.0 WITH Classpath-exception-2.0 OR ISC"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_allowed("GPL-3.0-only"));
        assert!(!is_allowed("MIT AND GPL-3.0-only"));
        assert!(!is_allowed("(GPL-2.0 OR AGPL-3.0) AND MIT"));
        assert!(!is_allowed("GPL-2.0 WITH Classpath-exception-2.0"));
        assert!(!is_allowed("(MIT"));
        assert!(!is_allowed("MIT MIT"));
        assert!(!is_allowed(""));
    }

    #[test]
    fn a_package_without_or_with_a_foreign_licence_is_found() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "good", "version": "1.0.0", "license": "MIT" },
            { "name": "bad", "version": "2.0.0", "license": "AGPL-3.0" },
            { "name": "none", "version": "3.0.0", "license": null },
        ]});
        let messages: Vec<_> = check_metadata(&metadata)
            .into_iter()
            .map(|f| f.message)
            .collect();
        assert_eq!(
            messages,
            [
                "bad 2.0.0: `AGPL-3.0` is not in the list",
                "none 3.0.0 names no licence"
            ]
        );
    }

    #[test]
    fn deny_toml_allows_the_same() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deny.toml"))
            .expect("deny.toml is in the repository's root");
        let deny: toml::Table = text.parse().expect("deny.toml is TOML");
        let mut theirs: Vec<&str> = deny["licenses"]["allow"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(toml::Value::as_str)
            .collect();
        let mut ours = ALLOWED.to_vec();
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(theirs, ours);
    }
}
