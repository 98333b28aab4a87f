//! No module or crate carries a name that says nothing about what belongs in it.

use super::source::{code_only, find_word};
use super::tree::{Finding, Tree};

const RULE: &str = "module-name";
const FORBIDDEN: &[&str] = &[
    "util", "utils", "common", "core", "helper", "helpers", "misc", "types",
];

/// Looks at the names of Rust files, of their folders, and of modules written inline.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust_files() {
        for part in path.split('/') {
            let stem = part.strip_suffix(".rs").unwrap_or(part);
            if FORBIDDEN.contains(&stem.strip_prefix("kiln-").unwrap_or(stem)) {
                findings.push(Finding::new(RULE, path, 0, says_nothing(stem)));
            }
        }
        for (index, line) in code_only(text).lines().enumerate() {
            // A module in its own file was met by its path.
            let Some(at) = find_word(line, "mod").filter(|_| line.contains('{')) else {
                continue;
            };
            let name = line[at + "mod".len()..]
                .split('{')
                .next()
                .unwrap_or_default()
                .trim();
            if FORBIDDEN.contains(&name) {
                findings.push(Finding::new(RULE, path, index + 1, says_nothing(name)));
            }
        }
    }
    findings
}

fn says_nothing(name: &str) -> String {
    format!("`{name}` says nothing about what belongs there: name the idea")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_in_paths_and_inline() {
        let tree = Tree::of(&[
            ("crates/kiln-oci/src/util.rs", ""),
            ("crates/kiln-oci/tests/common/mod.rs", ""),
            ("crates/kiln-core/src/lib.rs", ""),
            (
                "crates/kiln-oci/src/a.rs",
                "fn a() {}\npub mod helpers { }\n// mod misc {\n",
            ),
            ("crates/kiln-oci/src/media_types.rs", "mod typed {}\n"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|f| (f.path, f.line)).collect();
        assert_eq!(
            found,
            [
                ("crates/kiln-core/src/lib.rs".to_owned(), 0),
                ("crates/kiln-oci/src/a.rs".to_owned(), 2),
                ("crates/kiln-oci/src/util.rs".to_owned(), 0),
                ("crates/kiln-oci/tests/common/mod.rs".to_owned(), 0),
            ]
        );
    }
}
