//! Ignore patterns, against cases from the field and against a slow reference.

use kiln_dockerfile::ignore::{Ancestors, IgnoreError, IgnoreFile};
use proptest::prelude::*;

#[test]
fn single_patterns() {
    for (pattern, path, ignored) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a", "a/b", true),
        ("a", "b/a", false),
        ("a/", "a/b", true),
        ("/a", "a", true),
        ("./a", "a", true),
        ("a/../b", "b", true),
        ("a//b", "a/b", true),
        ("*", "a", true),
        ("*", "a/b", true),
        ("*.go", "main.go", true),
        ("*.go", "sub/main.go", false),
        ("*/*.go", "sub/main.go", true),
        ("**/*.go", "main.go", true),
        ("**/*.go", "a/b/main.go", true),
        ("**", "a/b", true),
        ("a/**", "a", false),
        ("a/**", "a/b/c", true),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "a/x/yb", false),
        ("**/b", "xb", false),
        ("**b", "xb", true),
        ("**b", "a/xb", true),
        ("a**", "ab/c", true),
        ("a**b", "ab", true),
        ("a**b", "axx/b", true),
        ("a**b", "axxb", false),
        ("a?c", "abc", true),
        ("a?c", "a/c", false),
        ("[a-c]x", "bx", true),
        ("[^a-c]x", "bx", false),
        ("[^a-c]x", "dx", true),
        ("a\\*", "a*", true),
        ("a\\*", "ab", false),
        (".git", ".git/config", true),
        ("a.b", "axb", false),
        ("**/node_modules", "x/node_modules/y", true),
        ("  a  ", "a", true),
        (" #a", "#a", true),
        ("#a", "#a", false),
        ("\u{feff}a", "a", true),
        (".", "a", false),
        ("a\r", "a", true),
    ] {
        let file = IgnoreFile::parse(pattern.as_bytes()).unwrap();
        assert_eq!(file.is_ignored(path, false), ignored, "{pattern:?} {path}");
    }
}

#[test]
fn the_last_match_wins() {
    for (text, path, ignored) in [
        ("*\n!a", "a", false),
        ("*\n!a", "a/b", false),
        ("*\n!a", "b", true),
        ("*\n!a\na/b", "a/b", true),
        ("a\n!a/b", "a/b", false),
        ("a\n!a/b", "a/c", true),
        ("!a\na", "a", true),
        ("*.md\n!README*.md\nREADME-secret.md", "README.md", false),
        (
            "*.md\n!README*.md\nREADME-secret.md",
            "README-secret.md",
            true,
        ),
        ("**\n!**/*.c", "a/b.c", false),
        ("a\n! a", "a", false),
        ("b/a\n!b", "b/a", true),
        ("b/a\n!b", "b/a/x", true),
        ("b\n!b\nb/a", "b/x", false),
        ("a\n!/a", "a", false),
    ] {
        let file = IgnoreFile::parse(text.as_bytes()).unwrap();
        assert_eq!(file.is_ignored(path, false), ignored, "{text:?} {path}");
    }
}

#[test]
fn walkers_know_where_to_go() {
    for (text, dir, inside) in [
        ("a", "a", false),
        ("a\n!a/b", "a", true),
        ("a\n!a/b", "a/b", false),
        ("*\n!x/y/z", "x", true),
        ("*\n!x/y/z", "x/y", true),
        ("*\n!x/y/z", "y", false),
        ("*\n!**/keep", "any/where", true),
        ("*\n!*.c", "a", true),
        ("*\n!x/*.c", "x", true),
        ("*\n!x/*.c", "y", false),
        ("*\n!a\\b", "q", true),
    ] {
        let file = IgnoreFile::parse(text.as_bytes()).unwrap();
        assert_eq!(file.may_contain_included(dir), inside, "{text:?} {dir}");
    }
}

#[test]
fn mistakes_name_their_line() {
    let error = IgnoreFile::parse(b"ok\n[a\n").unwrap_err();
    assert_eq!(
        error,
        IgnoreError::Pattern {
            line: 2,
            pattern: "[a".into()
        }
    );
    assert_eq!(
        error.to_string(),
        "line 2: syntax error in ignore pattern \"[a\""
    );
    assert_eq!(
        IgnoreFile::parse(b"!").unwrap_err(),
        IgnoreError::Lonely { line: 1 }
    );
    assert!(IgnoreFile::parse(b"a\\").is_err());
}

/// The slow reference: patterns as lists of characters, tried in every way.
fn slow_match(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', '*'] | ['*', '*', '/'] => true,
        ['*', '*', '/', rest @ ..] | ['*', '*', rest @ ..] => {
            slow_match(rest, path)
                || (0..path.len()).any(|at| path[at] == '/' && slow_match(rest, &path[at + 1..]))
        }
        ['*', rest @ ..] => (0..=path.len())
            .take_while(|at| *at == 0 || path[at - 1] != '/')
            .any(|at| slow_match(rest, &path[at..])),
        ['?', rest @ ..] => path.first().is_some_and(|c| *c != '/') && slow_match(rest, &path[1..]),
        [literal, rest @ ..] => path.first() == Some(literal) && slow_match(rest, &path[1..]),
    }
}

/// From the root down: each pattern is asked only if it could change the verdict, and one that matched
/// a parent matches.
fn slow_ignored(patterns: &[(bool, String)], path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let mut above = vec![false; patterns.len()];
    let mut ignored = false;
    for count in 1..=parts.len() {
        let prefix: Vec<char> = parts[..count].join("/").chars().collect();
        ignored = false;
        for (at, (negated, pattern)) in patterns.iter().enumerate() {
            let pattern: Vec<char> = pattern.chars().collect();
            above[at] = above[at] || (*negated == ignored && slow_match(&pattern, &prefix));
            if above[at] {
                ignored = !negated;
            }
        }
    }
    ignored
}

/// Patterns without the two quirks of `**` inside a name, which the reference does not have.
fn pattern() -> impl Strategy<Value = (bool, String)> {
    let part = prop_oneof![
        3 => "[ab]{1,2}",
        1 => Just("*".to_string()),
        1 => Just("**".to_string()),
        1 => "[ab]\\*",
        1 => "\\*[ab]",
        1 => "[ab]\\?",
    ];
    (
        any::<bool>(),
        proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join("/")),
    )
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]{1,2}", 1..5).prop_map(|parts| parts.join("/"))
}

proptest! {
    #[test]
    fn agrees_with_the_reference(
        patterns in proptest::collection::vec(pattern(), 1..5),
        paths in proptest::collection::vec(path(), 1..20),
    ) {
        let text: Vec<String> = patterns
            .iter()
            .map(|(negated, pattern)| format!("{}{pattern}", if *negated { "!" } else { "" }))
            .collect();
        let file = IgnoreFile::parse(text.join("\n").as_bytes()).unwrap();
        for path in &paths {
            let ignored = file.is_ignored(path, false);
            prop_assert_eq!(ignored, slow_ignored(&patterns, path), "{:?} {}", text, path);
            // A walker that carries its ancestors comes to the same verdict …
            let mut ancestors: Ancestors = file.root();
            for (at, _) in path.match_indices('/') {
                let dir = &path[..at];
                // … and never turns back in front of something that is included.
                if !ignored && file.is_ignored_in(&ancestors, dir) {
                    prop_assert!(file.may_contain_included(dir), "{:?} {} in {}", text, path, dir);
                }
                ancestors = file.enter(&ancestors, dir);
            }
            prop_assert_eq!(file.is_ignored_in(&ancestors, path), ignored);
        }
    }
}
