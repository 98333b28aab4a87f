//! Patterns of repositories: `*` stands for anything within a part of the name, `**` for anything.

use std::fmt;

/// A pattern. Matching takes time in proportion to the product of both lengths at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Within,
    Anything,
}

impl Pattern {
    /// Reads a pattern. Every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = vec![];
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            parts.push(match byte {
                b'*' if bytes.next_if_eq(&b'*').is_some() => Part::Anything,
                b'*' => Part::Within,
                byte => Part::Byte(byte),
            });
        }
        Self {
            text: text.to_owned(),
            parts,
        }
    }

    /// What matches everything.
    #[must_use]
    pub fn any() -> Self {
        Self::new("**")
    }

    /// How specific it is: plain names above patterns, longer above shorter ones.
    #[must_use]
    pub fn weight(&self) -> (bool, usize) {
        let plain = self
            .parts
            .iter()
            .filter(|part| matches!(part, Part::Byte(_)))
            .count();
        (plain == self.parts.len(), plain)
    }

    /// Whether `name` is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // reached[n]: what was read of the pattern so far can stand for the first n bytes.
        let name = name.as_bytes();
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for part in &self.parts {
            let mut next = vec![false; name.len() + 1];
            for at in 0..=name.len() {
                next[at] = match part {
                    Part::Byte(byte) => at > 0 && reached[at - 1] && name[at - 1] == *byte,
                    Part::Within => reached[at] || at > 0 && next[at - 1] && name[at - 1] != b'/',
                    Part::Anything => reached[at] || at > 0 && next[at - 1],
                };
            }
            reached = next;
        }
        reached[name.len()]
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_within_and_across() {
        for (pattern, name, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("a/**", "a/b/c", true),
            ("**", "", true),
            ("*/app-*", "x/app-1", true),
            ("a/*/c", "a//c", true),
            ("a/**/c", "a/c", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
        let hostile = Pattern::new(&"*a".repeat(500));
        assert!(!hostile.matches(&"a".repeat(499)));
    }

    #[test]
    fn the_more_specific_one_weighs_more() {
        let weights =
            ["**", "r/**", "r/team/**", "r/team/app"].map(|text| Pattern::new(text).weight());
        assert!(weights.is_sorted());
    }
}
