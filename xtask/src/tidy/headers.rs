//! Every Rust file opens with `//!`: what the module is for.

use super::tree::{Finding, Tree};

const RULE: &str = "module-header";

/// Looks at the first line of every Rust file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust_files()
        .filter(|(_, text)| {
            let first = text.lines().next().unwrap_or_default();
            first
                .strip_prefix("//!")
                .is_none_or(|rest| rest.trim().is_empty())
        })
        .map(|(path, _)| Finding::new(RULE, path, 1, "open the file with `//!`: what it is for"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = Tree::of(&[
            ("a.rs", "//! Good.\n"),
            ("b.rs", "use x;\n"),
            ("c.rs", "//!\n"),
            ("d.rs", ""),
            ("e.md", "text"),
        ]);
        let paths: Vec<_> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(paths, ["b.rs", "c.rs", "d.rs"]);
    }
}
