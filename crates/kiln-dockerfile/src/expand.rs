//! Variables, quotes and escapes: what BuildKit's shell lexer does to a word.
//!
//! `$name`, `${name}` and the modifiers `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`. Single
//! quotes keep everything, double quotes keep blanks, the escape character (of the `escape` directive)
//! keeps the next character. An unset variable is empty.

mod lexer;
#[cfg(test)]
mod tests;

pub(crate) use lexer::Lexer;

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
