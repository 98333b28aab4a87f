//! One pattern of an ignore file: parsing, and the quickest way to match it.

use super::IgnoreError;

/// One compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The cleaned pattern without the `!`.
    pub(super) text: String,
    /// Whether it includes again.
    pub(super) negated: bool,
    shape: Shape,
    /// What walkers need to know about directories: the parts before the first wildcard.
    pub(super) literal_prefix: String,
    /// Whether more than `literal_prefix` follows.
    pub(super) wild: bool,
}

/// The quick ways to match, and the general one.
#[derive(Clone, Debug)]
enum Shape {
    Exact,
    /// `text**` without other wildcards: begins with this.
    Prefix(String),
    /// `**text` without other wildcards: ends with this.
    Suffix(String),
    General(General),
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

/// Whether `path` is `base` or in it; an empty base holds everything.
pub(super) fn at_or_below(path: &str, base: &str) -> bool {
    base.is_empty()
        || path
            .strip_prefix(base)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Pattern {
    pub(super) fn new(line: &str, number: usize) -> Result<Option<Pattern>, IgnoreError> {
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

    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.shape {
            Shape::Exact => self.text == path,
            Shape::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Shape::Suffix(suffix) => {
                path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path)
            }
            Shape::General(general) => general.matches(path),
        }
    }

    /// Whether something strictly below `dir` could match.
    pub(super) fn may_match_below(&self, dir: &str) -> bool {
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
        _ => Shape::General(General::new(tokens)),
    }
}

/// Wildcards, and what any match must hold: most paths fail that and need no more.
#[derive(Clone, Debug)]
struct General {
    tokens: Vec<Token>,
    /// The literal text that it begins with.
    head: String,
    /// The literal text that it ends with.
    tail: String,
    /// The longest literal text inside.
    inner: String,
}

impl General {
    fn new(tokens: Vec<Token>) -> General {
        let runs: Vec<String> = tokens
            .split(|token| !matches!(token, Token::Literal(_)))
            .map(|run| run.iter().filter_map(Token::literal).collect())
            .collect();
        General {
            head: runs.first().cloned().unwrap_or_default(),
            tail: runs.last().cloned().unwrap_or_default(),
            inner: runs.into_iter().max_by_key(String::len).unwrap_or_default(),
            tokens,
        }
    }

    fn matches(&self, path: &str) -> bool {
        // Comparing with an empty string is slow where it points nowhere: the vector load at its
        // dangling address costs the processor a suppressed fault.
        (self.tail.is_empty() || path.ends_with(self.tail.as_str()))
            && (self.head.is_empty() || path.starts_with(self.head.as_str()))
            && (self.inner.is_empty() || path.contains(self.inner.as_str()))
            && matches(&self.tokens, path)
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
    fn literal(&self) -> Option<char> {
        match self {
            Token::Literal(literal) => Some(*literal),
            _ => None,
        }
    }

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
