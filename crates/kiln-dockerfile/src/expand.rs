//! Variables, quotes and escapes: what BuildKit's shell lexer does to a word.
//!
//! `$name`, `${name}` and the modifiers `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`. Single
//! quotes keep everything, double quotes keep blanks, the escape character (of the `escape` directive)
//! keeps the next character. An unset variable is empty.

use crate::pattern::{Pattern, PatternError, Reach};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Where values of variables come from.
pub trait Variables {
    /// The value of a variable, or `None` while it is unset.
    fn get(&self, name: &str) -> Option<Cow<'_, str>>;
    /// All set names, to suggest one for a misspelt name.
    fn names(&self) -> Vec<String>;
}

/// No variable is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _name: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Variables for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        BTreeMap::get(self, name).map(|value| Cow::Borrowed(value.as_str()))
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// Why a word cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A quote is not closed.
    #[error("unexpected end of statement while looking for matching {0}")]
    Unclosed(&'static str),
    /// `${` without `}`.
    #[error("syntax error: missing '{0}'")]
    MissingEnd(&'static str),
    /// `${}`, `${:…}` or `${{…}`.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// A modifier that does not exist.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${name?message}` of a variable that is unset (or, with `:?`, empty).
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The author's message, or one of ours.
        message: String,
    },
    /// A pattern that makes no sense, or costs too much.
    #[error("invalid pattern ({pattern}) in substitution: {reason}")]
    Pattern {
        /// The pattern as expanded.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More substitutions inside each other than anyone writes.
    #[error("substitutions are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// The result is larger than a build can use.
    #[error("the expanded text is longer than {MAX_LENGTH} bytes")]
    TooLong,
}

const MAX_DEPTH: usize = 100;
const MAX_LENGTH: usize = 16 * 1024 * 1024;

/// A word after expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The text, quotes and escapes gone.
    pub value: String,
    /// The names that were used and are set.
    pub used: BTreeSet<String>,
    /// The names that were used while unset, in order.
    pub unset: Vec<String>,
}

/// Expands one word to one text.
///
/// # Errors
/// Quotes or braces that do not close, unknown modifiers, bad patterns, and `?` on an unset variable.
pub fn expand(word: &str, escape: char, vars: &dyn Variables) -> Result<Expanded, ExpandError> {
    Lexer::new(escape).expand(word, vars)
}

/// Expands a word and splits the result at blanks that are neither quoted nor escaped. The blanks of a
/// variable's value split too; quoted nothing is no word.
///
/// # Errors
/// As [`expand`].
pub fn expand_words(
    word: &str,
    escape: char,
    vars: &dyn Variables,
) -> Result<Vec<String>, ExpandError> {
    Lexer::new(escape).words(word, vars)
}

/// Expands the body of a here-document: variables and escapes work, quotes stay as they are.
///
/// # Errors
/// As [`expand`].
pub fn expand_heredoc(text: &str, vars: &dyn Variables) -> Result<Expanded, ExpandError> {
    Lexer {
        keep_quotes: true,
        ..Lexer::new('\\')
    }
    .expand(text, vars)
}

/// The lexer with its switches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer {
    pub(crate) escape: char,
    /// Quotes group, but stay in the result.
    pub(crate) raw_quotes: bool,
    /// Escapes escape, but stay in the result.
    pub(crate) raw_escapes: bool,
    /// Quotes are ordinary characters.
    pub(crate) keep_quotes: bool,
    /// `$name` of an unset variable stays as it is.
    pub(crate) keep_unset: bool,
}

impl Lexer {
    pub(crate) fn new(escape: char) -> Lexer {
        Lexer {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            keep_quotes: false,
            keep_unset: false,
        }
    }

    pub(crate) fn expand(self, word: &str, vars: &dyn Variables) -> Result<Expanded, ExpandError> {
        let mut run = Run::new(self, word, vars);
        let value = run.until(None)?.text;
        Ok(Expanded {
            value,
            used: run.used,
            unset: run.unset,
        })
    }

    pub(crate) fn words(
        self,
        word: &str,
        vars: &dyn Variables,
    ) -> Result<Vec<String>, ExpandError> {
        let mut run = Run::new(self, word, vars);
        Ok(run.until(None)?.finish())
    }
}

/// Text that grows, and the words it falls into.
#[derive(Default)]
struct Output {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Output {
    /// A character that splits words if it is blank.
    fn push(&mut self, character: char) {
        self.text.push(character);
        if !character.is_whitespace() {
            self.word.push(character);
        } else if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    /// Text that never splits.
    fn push_whole(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}

struct Run<'a> {
    lexer: Lexer,
    characters: std::iter::Peekable<std::str::Chars<'a>>,
    vars: &'a dyn Variables,
    used: BTreeSet<String>,
    unset: Vec<String>,
    depth: usize,
    /// Bytes of variables put in so far, over all levels.
    inserted: usize,
}

impl<'a> Run<'a> {
    fn new(lexer: Lexer, word: &'a str, vars: &'a dyn Variables) -> Run<'a> {
        Run {
            lexer,
            characters: word.chars().peekable(),
            vars,
            used: BTreeSet::new(),
            unset: Vec::new(),
            depth: 0,
            inserted: 0,
        }
    }

    /// Reads to `stop`, which is taken, or to the end if there is none.
    fn until(&mut self, stop: Option<char>) -> Result<Output, ExpandError> {
        let mut out = Output::default();
        while let Some(&next) = self.characters.peek() {
            if Some(next) == stop {
                self.characters.next();
                return Ok(out);
            }
            match next {
                '$' => {
                    let value = self.dollar()?;
                    value.chars().for_each(|character| out.push(character));
                }
                '<' => out.push_whole(&self.less()),
                '\'' if !self.lexer.keep_quotes => out.push_whole(&self.single_quoted()?),
                '"' if !self.lexer.keep_quotes => out.push_whole(&self.double_quoted()?),
                _ => {
                    self.characters.next();
                    if next == self.lexer.escape {
                        if self.lexer.raw_escapes {
                            out.push_whole(next.encode_utf8(&mut [0; 4]));
                        }
                        match self.characters.next() {
                            Some(escaped) => out.push_whole(escaped.encode_utf8(&mut [0; 4])),
                            None => break,
                        }
                    } else {
                        out.push(next);
                    }
                }
            }
        }
        match stop {
            None => Ok(out),
            Some('/') => Err(ExpandError::MissingEnd("/")),
            Some(_) => Err(ExpandError::MissingEnd("}")),
        }
    }

    /// `<`, or `<<` with the blanks behind it: `<< EOF` is one word.
    fn less(&mut self) -> String {
        let mut text = String::from("<");
        self.characters.next();
        if self.characters.next_if_eq(&'<').is_some() {
            text.push('<');
            while let Some(blank) = self.characters.next_if(|c| matches!(c, ' ' | '\t' | '\r')) {
                text.push(blank);
            }
        }
        text
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        let mut text = String::new();
        self.quote(&mut text);
        while let Some(&next) = self.characters.peek() {
            if next == '\'' {
                self.quote(&mut text);
                return Ok(text);
            }
            text.push(next);
            self.characters.next();
        }
        Err(ExpandError::Unclosed("single-quote"))
    }

    fn double_quoted(&mut self) -> Result<String, ExpandError> {
        let mut text = String::new();
        self.quote(&mut text);
        while let Some(&next) = self.characters.peek() {
            match next {
                '"' => {
                    self.quote(&mut text);
                    return Ok(text);
                }
                '$' => text.push_str(&self.dollar()?),
                escape if escape == self.lexer.escape => {
                    self.characters.next();
                    // Only a quote, a dollar and the escape itself can be escaped in here.
                    match self.characters.peek() {
                        Some(&escaped) if matches!(escaped, '"' | '$') || escaped == escape => {
                            self.characters.next();
                            if self.lexer.raw_escapes {
                                text.push(escape);
                            }
                            text.push(escaped);
                        }
                        _ => text.push(escape),
                    }
                }
                other => {
                    text.push(other);
                    self.characters.next();
                }
            }
        }
        Err(ExpandError::Unclosed("double-quote"))
    }

    /// Passes a quote character.
    fn quote(&mut self, text: &mut String) {
        if let Some(quote) = self.characters.next()
            && self.lexer.raw_quotes
        {
            text.push(quote);
        }
    }

    fn dollar(&mut self) -> Result<String, ExpandError> {
        self.characters.next();
        if self.characters.peek() != Some(&'{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_string());
            }
            return match self.value(&name)? {
                None if self.lexer.keep_unset => Ok(format!("${name}")),
                value => Ok(value.unwrap_or_default()),
            };
        }
        self.characters.next();
        match self.characters.peek() {
            None => return Err(ExpandError::MissingEnd("}")),
            Some('{' | '}' | ':') => return Err(ExpandError::BadSubstitution),
            Some(_) => {}
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        let name = self.name();
        let value = self.modified(&name);
        self.depth -= 1;
        value
    }

    /// What follows the name inside braces.
    fn modified(&mut self, name: &str) -> Result<String, ExpandError> {
        match self.characters.next() {
            Some('}') => match self.value(name)? {
                None if self.lexer.keep_unset => Ok(format!("${{{name}}}")),
                value => Ok(value.unwrap_or_default()),
            },
            Some(':') => match self.characters.next() {
                Some(modifier @ ('-' | '+' | '?')) => self.default(name, modifier, true),
                other => Err(ExpandError::Modifier(
                    other.map_or(":".into(), |c| format!(":{c}")),
                )),
            },
            Some(modifier @ ('-' | '+' | '?')) => self.default(name, modifier, false),
            Some(side @ ('#' | '%')) => self.stripped(name, side),
            Some('/') => self.replaced(name),
            Some(other) => Err(ExpandError::Modifier(other.to_string())),
            None => Err(ExpandError::MissingEnd("}")),
        }
    }

    /// `-`, `+` and `?`; with `empty_counts` an empty value is as good as none.
    fn default(
        &mut self,
        name: &str,
        modifier: char,
        empty_counts: bool,
    ) -> Result<String, ExpandError> {
        let word = self.inner('}', false)?;
        let value = self.value(name)?;
        if self.lexer.keep_unset && value.is_none() {
            let colon = if empty_counts { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let unset = value.is_none();
        let value = value.filter(|value| !(empty_counts && value.is_empty()));
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map(|_| word).unwrap_or_default()),
            (_, Some(value)) => Ok(value),
            (_, None) => {
                let message = match (word.is_empty(), unset) {
                    (false, _) => word,
                    (true, true) => "is not allowed to be unset".to_string(),
                    (true, false) => "is not allowed to be empty".to_string(),
                };
                Err(ExpandError::Required {
                    name: name.to_string(),
                    message,
                })
            }
        }
    }

    /// `#`, `##`, `%` and `%%`.
    fn stripped(&mut self, name: &str, side: char) -> Result<String, ExpandError> {
        let word = self.inner('}', true)?;
        let value = self.value(name)?;
        if self.lexer.keep_unset && value.is_none() {
            return Ok(format!("${{{name}{side}{word}}}"));
        }
        let value = value.unwrap_or_default();
        let (pattern, reach) = match word.strip_prefix(side) {
            Some(pattern) => (pattern, Reach::Longest),
            None => (word.as_str(), Reach::Shortest),
        };
        let parsed = Pattern::parse(pattern).map_err(|error| bad_pattern(pattern, &error))?;
        let stripped = match side {
            '#' => parsed.strip_prefix(&value, reach),
            _ => parsed.strip_suffix(&value, reach),
        };
        stripped.map_err(|error| bad_pattern(pattern, &error))
    }

    /// `/` and `//`.
    fn replaced(&mut self, name: &str) -> Result<String, ExpandError> {
        let all = self.characters.next_if_eq(&'/').is_some();
        let pattern = self.inner('/', true)?;
        let with = self.inner('}', true)?;
        let value = self.value(name)?;
        if self.lexer.keep_unset && value.is_none() {
            return Ok(format!("${{{name}/{pattern}/{with}}}"));
        }
        let replaced = Pattern::parse(&pattern)
            .and_then(|parsed| parsed.replace(&value.unwrap_or_default(), &with, all))
            .map_err(|error| bad_pattern(&pattern, &error))?;
        self.count(replaced.len())?;
        Ok(replaced)
    }

    /// The word inside a substitution, itself expanded.
    fn inner(&mut self, stop: char, raw_escapes: bool) -> Result<String, ExpandError> {
        let outer = std::mem::replace(&mut self.lexer.raw_escapes, raw_escapes);
        let out = self.until(Some(stop));
        self.lexer.raw_escapes = outer;
        Ok(out?.text)
    }

    /// A variable's name: letters, digits and `_`; or only digits; or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.characters.peek() {
            Some(digit) if digit.is_numeric() => {
                while let Some(digit) = self.characters.next_if(|next| next.is_numeric()) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.characters.next()),
            _ => {
                while let Some(letter) = self
                    .characters
                    .next_if(|next| next.is_alphanumeric() || *next == '_')
                {
                    name.push(letter);
                }
            }
        }
        name
    }

    fn value(&mut self, name: &str) -> Result<Option<String>, ExpandError> {
        match self.vars.get(name) {
            Some(value) => {
                let value = value.into_owned();
                self.used.insert(name.to_string());
                self.count(value.len())?;
                Ok(Some(value))
            }
            None => {
                if !self.unset.iter().any(|known| known == name) {
                    self.unset.push(name.to_string());
                }
                Ok(None)
            }
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), ExpandError> {
        self.inserted += bytes;
        if self.inserted > MAX_LENGTH {
            Err(ExpandError::TooLong)
        } else {
            Ok(())
        }
    }
}

fn bad_pattern(pattern: &str, error: &PatternError) -> ExpandError {
    ExpandError::Pattern {
        pattern: pattern.to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars() -> BTreeMap<String, String> {
        [
            ("a", "A"),
            ("empty", ""),
            ("two", "one two"),
            ("path", "/usr/local/bin"),
            ("file", "archive.tar.gz"),
            ("star", "a*b"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
    }

    #[test]
    fn values_quotes_and_escapes() {
        for (word, expected) in [
            ("plain", "plain"),
            ("$a", "A"),
            ("${a}", "A"),
            ("$a$a", "AA"),
            ("x${a}y", "xAy"),
            ("$none", ""),
            ("$", "$"),
            ("$/x", "$/x"),
            ("a$", "a$"),
            ("$1", ""),
            ("$12x", "x"),
            ("$@", ""),
            ("$$a", "a"),
            ("\\$a", "$a"),
            ("'$a'", "$a"),
            ("\"$a\"", "A"),
            ("\"\\$a\"", "$a"),
            ("\"\\n\"", "\\n"),
            ("\"\\\"\"", "\""),
            ("\"\\\\\"", "\\"),
            ("\\n", "n"),
            ("a\\ b", "a b"),
            ("'it'\\''s'", "it's"),
            ("x\\", "x"),
            ("$two", "one two"),
            ("'\\'", "\\"),
            ("ä$a", "äA"),
            ("$äx", ""),
        ] {
            assert_eq!(
                expand(word, '\\', &vars()).unwrap().value,
                expected,
                "{word}"
            );
        }
    }

    #[test]
    fn modifiers() {
        for (word, expected) in [
            ("${a:-x}", "A"),
            ("${empty:-x}", "x"),
            ("${empty-x}", ""),
            ("${none-x}", "x"),
            ("${none:-$a}", "A"),
            ("${none:-${empty:-deep}}", "deep"),
            ("${none:-'q}q'}", "q}q"),
            ("${none:-a\\}b}", "a}b"),
            ("${a:+x}", "x"),
            ("${empty:+x}", ""),
            ("${empty+x}", "x"),
            ("${none+x}", ""),
            ("${a:?no}", "A"),
            ("${empty?no}", ""),
            ("${path#*/}", "usr/local/bin"),
            ("${path##*/}", "bin"),
            ("${path%/*}", "/usr/local"),
            ("${path%%/*}", ""),
            ("${file%.*}", "archive.tar"),
            ("${file%%.*}", "archive"),
            ("${file#arch???.}", "tar.gz"),
            ("${file#none}", "archive.tar.gz"),
            ("${star#a\\*}", "b"),
            ("${path/\\//-}", "-usr/local/bin"),
            ("${path//\\//-}", "-usr-local-bin"),
            ("${file/./}", "archivetar.gz"),
            ("${file//[a]/x}", "archive.tar.gz"),
            ("${none#x}", ""),
            ("${file/$a/x}", "archive.tar.gz"),
            ("${two// /-}", "one-two"),
        ] {
            assert_eq!(
                expand(word, '\\', &vars()).unwrap().value,
                expected,
                "{word}"
            );
        }
    }

    #[test]
    fn errors() {
        for (word, expected) in [
            (
                "'a",
                "unexpected end of statement while looking for matching single-quote",
            ),
            (
                "\"a",
                "unexpected end of statement while looking for matching double-quote",
            ),
            ("${a", "syntax error: missing '}'"),
            ("${", "syntax error: missing '}'"),
            ("${a:-b", "syntax error: missing '}'"),
            ("${}", "syntax error: bad substitution"),
            ("${:x}", "syntax error: bad substitution"),
            ("${{a}}", "syntax error: bad substitution"),
            ("${a;b}", "unsupported modifier (;) in substitution"),
            ("${a:#b}", "unsupported modifier (:#) in substitution"),
            ("${a:%b}", "unsupported modifier (:%) in substitution"),
            ("${a:=b}", "unsupported modifier (:=) in substitution"),
            ("${a:", "unsupported modifier (:) in substitution"),
            ("${none?}", "none: is not allowed to be unset"),
            ("${empty:?}", "empty: is not allowed to be empty"),
            ("${none:?say $a}", "none: say A"),
            ("${a/x}", "syntax error: missing '/'"),
            (
                "${a#\\d}",
                "invalid pattern (\\d) in substitution: invalid escape '\\d'",
            ),
        ] {
            assert_eq!(
                expand(word, '\\', &vars()).unwrap_err().to_string(),
                expected,
                "{word}"
            );
        }
        let deep = format!("{}x{}", "${none:-".repeat(5000), "}".repeat(5000));
        assert_eq!(expand(&deep, '\\', &vars()), Err(ExpandError::TooDeep));
        let big = BTreeMap::from([("v".to_string(), "x".repeat(1 << 20))]);
        assert_eq!(
            expand(&"$v".repeat(20), '\\', &big),
            Err(ExpandError::TooLong)
        );
    }

    #[test]
    fn words_split_after_expansion() {
        for (word, expected) in [
            ("a b", vec!["a", "b"]),
            ("  a   b  ", vec!["a", "b"]),
            ("$two", vec!["one", "two"]),
            ("\"$two\"", vec!["one two"]),
            ("x$two", vec!["xone", "two"]),
            ("'a b'c", vec!["a bc"]),
            ("a\\ b", vec!["a b"]),
            ("''", vec![]),
            ("", vec![]),
            ("$none", vec![]),
            ("a << b c", vec!["a", "<< b", "c"]),
            ("a < b<c", vec!["a", "<", "b<c"]),
        ] {
            assert_eq!(
                expand_words(word, '\\', &vars()).unwrap(),
                expected,
                "{word}"
            );
        }
    }

    #[test]
    fn other_escape_character_and_reported_names() {
        let expanded = expand("`$a $a $none $none C:\\dir", '`', &vars()).unwrap();
        assert_eq!(expanded.value, "$a A   C:\\dir");
        assert_eq!(expanded.unset, ["none"]);
        assert_eq!(expanded.used.into_iter().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn heredocs_keep_quotes() {
        let text = "say \"$a\" and '$a' or \\$a\n";
        let expanded = expand_heredoc(text, &vars()).unwrap().value;
        assert_eq!(expanded, "say \"A\" and 'A' or $a\n");
    }
}
