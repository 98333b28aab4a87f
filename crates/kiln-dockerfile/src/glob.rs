//! Path patterns of COPY: Go's `filepath.Match` for each part of a path, and `**` with `--parents`.
//!
//! `*` is any run of characters and `?` any one, neither crosses a `/`; `[a-z]` and `[^a-z]` are
//! classes; a backslash keeps the next character.

use std::fmt;

/// A pattern with a mistake: an open bracket, or a backslash at the end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern {0:?}")]
pub struct BadPattern(pub String);

/// Whether a path is a pattern at all.
pub fn has_wildcards(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' => return true,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
    false
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A pattern for one part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    tokens: Vec<Token>,
}

impl Part {
    /// Compiles a part; it must not hold a `/`.
    ///
    /// # Errors
    /// See [`BadPattern`].
    pub fn new(text: &str) -> Result<Part, BadPattern> {
        let bad = || BadPattern(text.to_string());
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => Token::Literal(rest.next().ok_or_else(bad)?),
                '[' => class(&mut rest).ok_or_else(bad)?,
                other => Token::Literal(other),
            });
        }
        Ok(Part { tokens })
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut token, mut at) = (0, 0);
        // Where to go on if what follows the last star does not fit: the star takes one more.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match self.tokens.get(token) {
                Some(Token::Any) => {
                    token += 1;
                    retry = Some((token, at));
                    continue;
                }
                Some(single) if at < name.len() && single.takes(name[at]) => {
                    token += 1;
                    at += 1;
                    continue;
                }
                None if at == name.len() => return true,
                _ => {}
            }
            match retry {
                Some((after_star, from)) if from < name.len() => {
                    retry = Some((after_star, from + 1));
                    token = after_star;
                    at = from + 1;
                }
                _ => return false,
            }
        }
    }

    /// The text that alone matches, if there is only one.
    pub fn literal(&self) -> Option<String> {
        self.tokens
            .iter()
            .map(|token| match token {
                Token::Literal(character) => Some(*character),
                _ => None,
            })
            .collect()
    }
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Token::Literal(literal) => *literal == character,
            Token::One => character != '/',
            Token::Any => false,
            Token::Class { negated, ranges } => {
                let inside = ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character));
                character != '/' && inside != *negated
            }
        }
    }
}

/// What stands between brackets; the opening one is already taken.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut negated = false;
    if rest.as_str().starts_with('^') {
        negated = true;
        rest.next();
    }
    let mut ranges = Vec::new();
    loop {
        if rest.as_str().starts_with(']') && !ranges.is_empty() {
            rest.next();
            return Some(Token::Class { negated, ranges });
        }
        let low = class_character(rest)?;
        let mut high = low;
        if rest.as_str().starts_with('-') {
            rest.next();
            high = class_character(rest)?;
        }
        ranges.push((low, high));
    }
}

/// A character of a class: not `-` or `]` unless escaped.
fn class_character(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// One part of the path.
    One(Part),
    /// Any number of parts.
    Deep,
}

/// A pattern for a whole path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    steps: Vec<Step>,
}

impl PathPattern {
    /// Compiles a clean, relative pattern. With `deep`, a part `**` stands for any number of parts;
    /// without, it is the same as `*`.
    ///
    /// # Errors
    /// See [`BadPattern`].
    pub fn new(text: &str, deep: bool) -> Result<PathPattern, BadPattern> {
        let mut steps = Vec::new();
        for part in text.split('/').filter(|part| !part.is_empty()) {
            match deep && part == "**" {
                true if steps.last() == Some(&Step::Deep) => {}
                true => steps.push(Step::Deep),
                false => steps.push(Step::One(Part::new(part)?)),
            }
        }
        Ok(PathPattern {
            text: text.to_string(),
            steps,
        })
    }

    /// Whether the whole of a clean, relative path matches.
    pub fn matches(&self, path: &str) -> bool {
        let parts = split(path);
        self.reached(&parts).contains(&self.steps.len())
    }

    /// Whether something below the directory `path` could match, so that a walker must go into it.
    pub fn may_match_below(&self, path: &str) -> bool {
        let parts = split(path);
        self.reached(&parts)
            .iter()
            .any(|step| *step < self.steps.len())
    }

    /// The steps that may come next after all parts are taken, `**` taken as nothing too.
    fn reached(&self, parts: &[&str]) -> Vec<usize> {
        let mut states = Vec::new();
        self.enter(0, &mut states);
        for part in parts {
            let mut next = Vec::new();
            for state in states {
                match self.steps.get(state) {
                    Some(Step::Deep) => self.enter(state, &mut next),
                    Some(Step::One(pattern)) if pattern.matches(part) => {
                        self.enter(state + 1, &mut next);
                    }
                    _ => {}
                }
            }
            states = next;
        }
        states
    }

    /// Adds a state and those that `**` lets it skip to.
    fn enter(&self, state: usize, states: &mut Vec<usize>) {
        if states.contains(&state) {
            return;
        }
        states.push(state);
        if self.steps.get(state) == Some(&Step::Deep) {
            self.enter(state + 1, states);
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_match_as_in_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("[\\]a]", "]", true),
            ("[\\-]", "-", true),
            ("[x\\-]", "x", true),
            ("*x", "xxx", true),
            ("fil[e]", "file", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                Part::new(pattern).unwrap().matches(name),
                expected,
                "{pattern} {name}"
            );
        }
        for pattern in ["[", "[]a]", "[-]", "[x-]", "[-x]", "[^", "a[", "[^bc", "\\"] {
            assert!(Part::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn paths_match_part_by_part() {
        for (pattern, path, shallow, deep) in [
            ("a/*/c", "a/b/c", true, true),
            ("a/*", "a/b/c", false, false),
            ("**/c", "a/b/c", false, true),
            ("**/c", "b/c", true, true),
            ("**/c", "c", false, true),
            ("a/**", "a/b/c", false, true),
            ("a/**/c", "a/c", false, true),
            ("a/**/**/c", "a/x/y/c", true, true),
            ("**", "a", true, true),
            ("*.go", "main.go", true, true),
        ] {
            let matches = |deep| PathPattern::new(pattern, deep).unwrap().matches(path);
            assert_eq!(
                (matches(false), matches(true)),
                (shallow, deep),
                "{pattern} {path}"
            );
        }
        let pattern = PathPattern::new("a/*/c", false).unwrap();
        for (path, expected) in [
            ("", true),
            ("a", true),
            ("b", false),
            ("a/b", true),
            ("a/b/c", false),
        ] {
            assert_eq!(pattern.may_match_below(path), expected, "{path}");
        }
        assert!(
            PathPattern::new("**/x", true)
                .unwrap()
                .may_match_below("any/where")
        );
    }
}
