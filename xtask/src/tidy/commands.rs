//! Each command of `kiln` has a test of the same name: `commands/build.rs`, `tests/it/build.rs`.

use super::tree::{Finding, Tree};

const RULE: &str = "command-test";
const COMMANDS: &str = "crates/kiln/src/commands/";
const TESTS: &str = "crates/kiln/tests/it";

/// Looks for the test of every command, once the integration tests exist.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    if !tree.has_folder(TESTS) {
        return Vec::new();
    }
    tree.rust_files()
        .filter_map(|(path, _)| Some((path, verb(path)?)))
        .filter(|(_, verb)| {
            tree.text(&format!("{TESTS}/{verb}.rs")).is_none()
                && tree.text(&format!("{TESTS}/{verb}/mod.rs")).is_none()
        })
        .map(|(path, verb)| {
            Finding::new(
                RULE,
                path,
                0,
                format!("the test {TESTS}/{verb}.rs is missing"),
            )
        })
        .collect()
}

/// The command that a file implements: `build` for `commands/build.rs` and `commands/build/mod.rs`.
fn verb(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(COMMANDS)?;
    let verb = rest
        .strip_suffix("/mod.rs")
        .or_else(|| rest.strip_suffix(".rs"))?;
    (verb != "mod" && !verb.contains('/')).then_some(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_without_a_test_is_found() {
        let commands = [
            ("crates/kiln/src/commands/mod.rs", ""),
            ("crates/kiln/src/commands/build.rs", ""),
            ("crates/kiln/src/commands/run/mod.rs", ""),
            ("crates/kiln/src/commands/run/parts.rs", ""),
        ];
        assert!(
            check(&Tree::of(&commands)).is_empty(),
            "before there are tests"
        );
        let mut with_tests = commands.to_vec();
        with_tests.push(("crates/kiln/tests/it/build.rs", ""));
        let found: Vec<_> = check(&Tree::of(&with_tests))
            .into_iter()
            .map(|f| f.path)
            .collect();
        assert_eq!(found, ["crates/kiln/src/commands/run/mod.rs"]);
    }
}
