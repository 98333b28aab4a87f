//! Ignore files: `.dockerignore`, `<Dockerfile>.dockerignore`, and the patterns of `--exclude`.
//!
//! The last pattern that matches a path or one of its parents decides; `!` makes it included again.
//! `*` and `?` stop at `/`, `**` does not. Patterns are compiled once; a walker that carries
//! [`Ancestors`] down asks each pattern once per path.
//!
//! The verdicts are those of BuildKit's context transfer, which walks from the root down, with one
//! exception: there, `+`, `|`, `(`, `)`, `{`, `}` and `^` beside a wildcard act as in a regular
//! expression, by accident. Here they stand for themselves.

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

/// One compiled pattern.
#[derive(Clone, Debug)]
struct Pattern {
    /// The cleaned pattern without the `!`.
    text: String,
    /// Whether it includes again.
    negated: bool,
    shape: Shape,
    /// What walkers need to know about directories: the parts before the first wildcard.
    literal_prefix: String,
    /// Whether more than `literal_prefix` follows.
    wild: bool,
}

/// The quick ways to match, and the general one.
#[derive(Clone, Debug)]
enum Shape {
    Exact,
    /// `text**` without other wildcards: begins with this.
    Prefix(String),
    /// `**text` without other wildcards: ends with this.
    Suffix(String),
    General(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `**/`: nothing, or anything up to a slash.
    Parents,
    /// `**` at the end.
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
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
            ancestors = self.enter(&ancestors, &path[..at]);
        }
        self.is_ignored_in(&ancestors, path)
    }

    /// The ancestors of what lies in the context's root.
    pub fn root(&self) -> Ancestors {
        Ancestors {
            matched: vec![false; self.patterns.len()],
        }
    }

    /// The ancestors of what lies in the directory `path`, whose own ancestors are given.
    pub fn enter(&self, ancestors: &Ancestors, path: &str) -> Ancestors {
        let mut matched = vec![false; self.patterns.len()];
        self.judge(ancestors, path, |at| matched[at] = true);
        Ancestors { matched }
    }

    /// As [`IgnoreFile::is_ignored`], for a walker that knows the ancestors of the path.
    pub fn is_ignored_in(&self, ancestors: &Ancestors, path: &str) -> bool {
        self.judge(ancestors, path, |_| {})
    }

    /// Asks one pattern after another. A pattern that could not change the verdict is not asked, and
    /// then does not count as matching for what lies below either: so `b/a` stays ignored by `b/a` and
    /// `!b`, in this order, because `!b` had nothing to undo when the walk came through `b`.
    fn judge(&self, ancestors: &Ancestors, path: &str, mut matched: impl FnMut(usize)) -> bool {
        let mut ignored = false;
        for (at, pattern) in self.patterns.iter().enumerate() {
            let above = ancestors.matched.get(at).copied().unwrap_or(false);
            if above || (pattern.negated == ignored && pattern.matches(path)) {
                matched(at);
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

/// Whether `path` is `base` or in it; an empty base holds everything.
fn at_or_below(path: &str, base: &str) -> bool {
    base.is_empty()
        || path
            .strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Pattern {
    fn new(line: &str, number: usize) -> Result<Option<Pattern>, IgnoreError> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let (negated, body) = match line.strip_prefix('!') {
            Some(body) => (true, body.trim()),
            None => (false, line),
        };
        if body.is_empty() {
            return Err(IgnoreError::Lonely { line: number });
        }
        let cleaned = clean(body);
        let text = match cleaned.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => rest.to_string(),
            _ => cleaned,
        };
        let bad = || IgnoreError::Pattern {
            line: number,
            pattern: line.to_string(),
        };
        let tokens = tokens(&text).ok_or_else(bad)?;
        let parts: Vec<&str> = text.split('/').collect();
        let literal = parts
            .iter()
            .take_while(|part| !part.contains(['*', '?', '[', '\\']))
            .count();
        let literal_prefix = parts[..literal].join("/");
        let wild = literal < parts.len();
        let shape = shape(&text, tokens);
        Ok(Some(Pattern {
            text,
            negated,
            shape,
            literal_prefix,
            wild,
        }))
    }

    fn matches(&self, path: &str) -> bool {
        match &self.shape {
            Shape::Exact => self.text == path,
            Shape::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Shape::Suffix(suffix) => {
                path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path)
            }
            Shape::General(tokens) => matches(tokens, path),
        }
    }

    /// Whether something strictly below `dir` could match.
    fn may_match_below(&self, dir: &str) -> bool {
        // Up to its first wildcard part the pattern and the directory must agree.
        let prefix = &self.literal_prefix;
        (at_or_below(prefix, dir) && (self.wild || prefix != dir))
            || (self.wild && at_or_below(dir, prefix))
    }
}

/// Go's `path.Clean`: no empty parts, no `.`, no `..` that could be taken away.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_string(),
        (false, false) => joined,
    }
}

/// Takes a cleaned pattern apart; `None` if it is malformed.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        tokens.push(match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                match rest.peek() {
                    Some(_) => Token::Parents,
                    None => Token::Everything,
                }
            }
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Literal(rest.next()?),
            '[' => class(&mut rest)?,
            other => Token::Literal(other),
        });
    }
    Some(tokens)
}

/// What stands between brackets, as a regular expression's class; the opening one is already taken.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        match rest.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { negated, ranges }),
            '-' | ']' => return None,
            low => {
                let low = if low == '\\' { rest.next()? } else { low };
                let mut high = low;
                if rest.next_if_eq(&'-').is_some() {
                    high = match rest.next()? {
                        ']' | '-' => return None,
                        '\\' => rest.next()?,
                        other => other,
                    };
                }
                if high < low {
                    return None;
                }
                ranges.push((low, high));
            }
        }
    }
}

/// The quickest way to match the tokens. `**` at the end or the start of plain text matches any text
/// there, even in the middle of a name (`foo**` matches `foobar`, `**foo` matches `xfoo`), which it
/// does not beside other wildcards: that is how the field does it.
fn shape(text: &str, tokens: Vec<Token>) -> Shape {
    let plain = |tokens: &[Token]| {
        tokens
            .iter()
            .all(|token| matches!(token, Token::Literal(_)))
            && !text.contains('\\')
    };
    match tokens.as_slice() {
        tokens if plain(tokens) => Shape::Exact,
        [Token::Everything] => Shape::Suffix(String::new()),
        [before @ .., Token::Everything] if plain(before) => {
            let end = text.rfind("**").unwrap_or(text.len());
            Shape::Prefix(text[..end].to_string())
        }
        [Token::Parents, after @ ..] if plain(after) => Shape::Suffix(text[2..].to_string()),
        _ => Shape::General(tokens),
    }
}

/// Matches by following all possible positions at once.
fn matches(tokens: &[Token], path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    let mut here = vec![false; path.len() + 1];
    here[0] = true;
    for token in tokens {
        let mut next = vec![false; path.len() + 1];
        match token {
            Token::Any | Token::Everything => {
                let mut open = false;
                for at in 0..=path.len() {
                    open |= here[at];
                    next[at] = open;
                    if *token == Token::Any && path.get(at) == Some(&'/') {
                        open = false;
                    }
                }
            }
            Token::Parents => {
                let mut open = false;
                for at in 0..=path.len() {
                    next[at] = here[at] || (open && at > 0 && path[at - 1] == '/');
                    open |= here[at];
                }
            }
            single => {
                for at in 0..path.len() {
                    next[at + 1] = here[at] && single.takes(path[at]);
                }
            }
        }
        if !next.contains(&true) {
            return false;
        }
        here = next;
    }
    here[path.len()]
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Token::Literal(literal) => *literal == character,
            Token::One => character != '/',
            Token::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character))
                    != *negated
            }
            Token::Any | Token::Parents | Token::Everything => false,
        }
    }
}
