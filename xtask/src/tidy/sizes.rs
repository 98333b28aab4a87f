//! Files stay small: 400 lines as a habit, 1,000 at the very most, `kiln`'s main.rs 30.

use super::tree::{Finding, Tree};

const RULE: &str = "file-size";
const HABIT: usize = 400;
const MOST: usize = 1_000;
const MAIN: (&str, usize) = ("crates/kiln/src/main.rs", 30);

/// Counts the lines of every Rust file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust_files()
        .filter_map(|(path, text)| check_one(path, text.lines().count()))
        .collect()
}

fn check_one(path: &str, lines: usize) -> Option<Finding> {
    if path == MAIN.0 && lines > MAIN.1 {
        let message = format!("{lines} lines, at most {}: main only hands over", MAIN.1);
        return Some(Finding::new(RULE, path, 0, message));
    }
    if lines > MOST {
        let message = format!("{lines} lines, at most {MOST}: split it by idea");
        return Some(Finding::new(RULE, path, 0, message));
    }
    (lines > HABIT).then(|| {
        Finding::note(
            RULE,
            path,
            0,
            format!("{lines} lines, {HABIT} are the habit"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, lines: usize) -> Vec<Finding> {
        check(&Tree::of(&[(path, &"x\n".repeat(lines))]))
    }

    #[test]
    fn the_borders_hold() {
        assert!(of("crates/kiln-oci/src/a.rs", 400).is_empty());
        assert!(of("crates/kiln-oci/src/a.rs", 401)[0].note);
        assert!(of("crates/kiln-oci/src/a.rs", 1_000)[0].note);
        assert!(!of("crates/kiln-oci/src/a.rs", 1_001)[0].note);
        assert!(of("crates/kiln/src/main.rs", 30).is_empty());
        assert!(!of("crates/kiln/src/main.rs", 31)[0].note);
        assert!(of("data.json", 5_000).is_empty(), "only sources count");
    }
}
