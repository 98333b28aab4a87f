//! The lexer: one pass over the characters, with the substitutions inside of each other.

use super::{ExpandError, Expanded, MAX_DEPTH, MAX_LENGTH, Variables};
use crate::pattern::{Pattern, PatternError, Reach};
use std::collections::BTreeSet;

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
