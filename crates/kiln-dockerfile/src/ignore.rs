//! Ignore files: `.dockerignore`, `<Dockerfile>.dockerignore`, and the patterns of `--exclude`.
//!
//! The last pattern that matches a path or one of its parents decides; `!` makes it included again.
//! `*` and `?` stop at `/`, `**` does not. Patterns are compiled once; a walker that carries
//! [`Ancestors`] down asks each pattern once per path.
//!
//! The verdicts are those of BuildKit's context transfer, which walks from the root down, with one
//! exception: there, `+`, `|`, `(`, `)`, `{`, `}` and `^` beside a wildcard act as in a regular
//! expression, by accident. Here they stand for themselves.

mod pattern;

use pattern::{Pattern, at_or_below};

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// Brackets or escapes that do not close.
    #[error("line {line}: syntax error in ignore pattern {pattern:?}")]
    Pattern {
        /// Line in the file, or number of the pattern, from 1.
        line: usize,
        /// The pattern.
        pattern: String,
    },
    /// A `!` alone.
    #[error("line {line}: an ignore pattern of \"!\" alone means nothing")]
    Lonely {
        /// Line in the file, or number of the pattern, from 1.
        line: usize,
    },
}

/// A compiled ignore file.
#[derive(Clone, Debug, Default)]
pub struct IgnoreFile {
    patterns: Vec<Pattern>,
}

/// Which patterns match a directory or one of its parents.
#[derive(Clone, Debug, Default)]
pub struct Ancestors {
    matched: Vec<bool>,
}

impl IgnoreFile {
    /// Compiles the text of an ignore file. Bad UTF-8 is replaced and then matches nothing.
    ///
    /// # Errors
    /// See [`IgnoreError`].
    pub fn parse(text: &[u8]) -> Result<IgnoreFile, IgnoreError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text = String::from_utf8_lossy(text);
        let mut patterns = Vec::new();
        for (at, line) in text.split('\n').enumerate() {
            // A `#` counts only in the first column.
            if line.starts_with('#') {
                continue;
            }
            patterns.extend(Pattern::new(line, at + 1)?);
        }
        Ok(IgnoreFile { patterns })
    }

    /// Compiles a list of patterns, as `--exclude` gives them.
    ///
    /// # Errors
    /// See [`IgnoreError`].
    pub fn from_patterns<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<IgnoreFile, IgnoreError> {
        let mut compiled = Vec::new();
        for (at, pattern) in patterns.into_iter().enumerate() {
            compiled.extend(Pattern::new(pattern, at + 1)?);
        }
        Ok(IgnoreFile { patterns: compiled })
    }

    /// Whether nothing is ever ignored.
    pub fn is_empty(&self) -> bool {
        self.patterns.iter().all(|pattern| pattern.negated)
    }

    /// Whether a path is ignored. It is relative to the context, clean, with `/` between its parts; the
    /// root itself (an empty path or `.`) never is. Directories and files are treated alike.
    pub fn is_ignored(&self, path: &str, _is_dir: bool) -> bool {
        if matches!(path, "" | ".") {
            return false;
        }
        let mut ancestors = self.root();
        for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0) {
            self.judge(&path[..at], &mut ancestors.matched);
        }
        self.judge(path, &mut ancestors.matched)
    }

    /// The ancestors of what lies in the context's root.
    pub fn root(&self) -> Ancestors {
        Ancestors {
            matched: vec![false; self.patterns.len()],
        }
    }

    /// The ancestors of what lies in the directory `path`, whose own ancestors are given.
    pub fn enter(&self, ancestors: &Ancestors, path: &str) -> Ancestors {
        let mut inner = ancestors.clone();
        self.judge(path, &mut inner.matched);
        inner
    }

    /// As [`IgnoreFile::is_ignored`], for a walker that knows the ancestors of the path.
    pub fn is_ignored_in(&self, ancestors: &Ancestors, path: &str) -> bool {
        self.judge(path, &mut ancestors.matched.clone())
    }

    /// Asks one pattern after another, and adds those that match `path` to those that match a parent. A
    /// pattern that could not change the verdict is not asked, and then does not count as matching for
    /// what lies below either: so `b/a` stays ignored by `b/a` and `!b`, in this order, because `!b` had
    /// nothing to undo when the walk came through `b`.
    fn judge(&self, path: &str, matched: &mut [bool]) -> bool {
        let mut ignored = false;
        for (pattern, matched) in self.patterns.iter().zip(matched) {
            *matched = *matched || (pattern.negated == ignored && pattern.matches(path));
            if *matched {
                ignored = !pattern.negated;
            }
        }
        ignored
    }

    /// Whether an ignored directory must be walked all the same, because a `!` pattern might include
    /// something below it. It may say yes too often, but never no wrongly.
    pub fn may_contain_included(&self, dir: &str) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.negated && pattern.may_match_below(dir))
    }

    /// Whether a `!` pattern could include something at or below `path`: the question that the check
    /// `CopyIgnoredFile` has.
    pub fn may_include(&self, path: &str) -> bool {
        let path = if path == "." {
            ""
        } else {
            path.trim_start_matches('/')
        };
        self.patterns
            .iter()
            .filter(|pattern| pattern.negated)
            .any(|pattern| {
                at_or_below(&pattern.literal_prefix, path)
                    || (pattern.wild && at_or_below(path, &pattern.literal_prefix))
            })
    }

    /// Whether a pattern ignores every entry of the root.
    pub fn ignores_everything(&self) -> bool {
        self.patterns
            .iter()
            .any(|pattern| !pattern.negated && matches!(pattern.text.as_str(), "*" | "**" | "**/*"))
    }
}
