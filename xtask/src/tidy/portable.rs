//! Crates that are meant to build on every platform do not import what only Linux or Unix has.
//!
//! What needs a kernel's own interface sits in a few crates and modules; the rest works on bytes
//! and could run on any machine. Code under a `#[cfg(unix)]` of its own does not break the others.

use super::source::{code_only, find_word, lines_under_cfg};
use super::tree::{Finding, Tree, crate_of, is_free_code};

const RULE: &str = "portable";

const BOUND: &[&str] = &[
    "std::os::unix",
    "std::os::linux",
    "std::os::fd",
    "os::unix",
    "os::linux",
    "rustix::mount",
    "rustix::process",
    "rustix::thread",
    "rustix::system",
    "libc::",
];

const LINUX_CRATES: &[&str] = &["kiln", "kiln-build", "kiln-run", "kiln-sandbox"];

/// Modules of otherwise portable crates that talk to the kernel.
const LINUX_MODULES: &[&str] = &[
    "crates/kiln-analyze/src/slim/observe",
    "crates/kiln-store/src/snapshot",
    "crates/kiln-store/src/walk",
];

/// Looks for imports and paths that bind a crate to one platform.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust_files() {
        let crate_name = crate_of(path).unwrap_or_default();
        let free = is_free_code(path)
            || LINUX_CRATES.contains(&crate_name)
            || LINUX_MODULES.iter().any(|module| path.starts_with(module));
        if free {
            continue;
        }
        let code = code_only(text);
        let guarded = lines_under_cfg(&code, |attribute| {
            ["test", "unix", "target_os", "linux"]
                .iter()
                .any(|word| attribute.contains(word))
                && !attribute.starts_with("cfg(not")
        });
        for (index, line) in code
            .lines()
            .enumerate()
            .filter(|(index, _)| !guarded[*index])
        {
            if let Some(word) = BOUND.iter().find(|word| find_word(line, word).is_some()) {
                let message = format!(
                    "`{word}` binds this crate to one platform; it belongs in {} or {}",
                    LINUX_CRATES.join(", "),
                    LINUX_MODULES.join(", ")
                );
                findings.push(Finding::new(RULE, path, index + 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn an_import_of_one_platform_is_found() {
        let text = "use std::fs;\nuse std::os::unix::fs::MetadataExt;\n";
        assert_eq!(lines("crates/kiln-layer/src/a.rs", text), [2]);
        assert_eq!(lines("crates/kiln-store/src/blobs.rs", text), [2]);
        assert_eq!(
            lines(
                "crates/kiln-oci/src/a.rs",
                "fn f() { rustix::mount::mount() }"
            ),
            [1]
        );
        assert!(lines("crates/kiln-store/src/snapshot/mod.rs", text).is_empty());
        assert!(lines("crates/kiln-sandbox/src/a.rs", text).is_empty());
    }

    #[test]
    fn guarded_code_and_prose_do_not_count() {
        let text = "#[cfg(unix)]\nuse std::os::unix::fs::PermissionsExt;\n// std::os::unix\n";
        assert!(lines("crates/kiln-layer/src/a.rs", text).is_empty());
        let not = "#[cfg(not(unix))]\nuse std::os::unix::fs::PermissionsExt;\n";
        assert_eq!(lines("crates/kiln-layer/src/a.rs", not), [2]);
    }
}
