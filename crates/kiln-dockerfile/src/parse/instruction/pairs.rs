//! The `name=value` words of ENV, LABEL and ARG.

use super::Parts;
use crate::diagnostic::Diagnostic;
use crate::parse::words::{is_blank, split_quoted, word};
use crate::span::Span;
use crate::syntax::{ArgDefinition, KeyValue, Word};

impl Parts<'_> {
    /// `key=value …`, or the old `key value`, whose value is the rest of the line.
    pub(super) fn pairs(&self) -> Result<Vec<KeyValue>, Diagnostic> {
        let words = split_quoted(self.line, self.args.clone(), self.escape);
        let words = self.at_least_one(words)?;
        if !words[0].text.contains('=') {
            let text = &self.line.text[self.args.clone()];
            let Some((key, value)) = text.split_once(is_blank) else {
                let message = format!("{} {} has no value", self.name, words[0].text);
                return Err(Diagnostic::error(words[0].span, message)
                    .with_help(format!("write {} {}=value", self.name, words[0].text)));
            };
            let start = self.args.start;
            let value = start + key.len() + (text.len() - key.len() - value.trim_start().len());
            return Ok(vec![KeyValue {
                key: word(self.line, start..start + key.len()),
                value: word(self.line, value..self.args.end),
                legacy: true,
            }]);
        }
        words.iter().map(|pair| self.pair(pair)).collect()
    }

    fn pair(&self, pair: &Word) -> Result<KeyValue, Diagnostic> {
        let Some((key, value)) = pair.text.split_once('=') else {
            let message = format!("cannot find = in {:?}; it must be name=value", pair.text);
            return Err(Diagnostic::error(pair.span, message)
                .with_help("put a value that holds blanks in double quotes"));
        };
        if key.is_empty() {
            let message = format!("{} names cannot be blank", self.name);
            return Err(Diagnostic::error(pair.span, message));
        }
        let (key_span, value_span) = split_span(pair, key.len());
        Ok(KeyValue {
            key: Word::new(key, key_span),
            value: Word::new(value, value_span),
            legacy: false,
        })
    }

    pub(super) fn definitions(&self) -> Result<Vec<ArgDefinition>, Diagnostic> {
        let words = split_quoted(self.line, self.args.clone(), self.escape);
        let definition = |word: &Word| {
            let Some((name, default)) = word.text.split_once('=') else {
                return Ok(ArgDefinition {
                    name: word.clone(),
                    default: None,
                });
            };
            if name.is_empty() {
                return Err(Diagnostic::error(word.span, "ARG names cannot be blank"));
            }
            let (name_span, default_span) = split_span(word, name.len());
            Ok(ArgDefinition {
                name: Word::new(name, name_span),
                default: Some(Word::new(default, default_span)),
            })
        };
        self.at_least_one(words)?.iter().map(definition).collect()
    }
}

/// The spans before and after the `=` of a word whose name has `name` bytes. A word over several lines
/// keeps its whole span for both.
fn split_span(pair: &Word, name: usize) -> (Span, Span) {
    let Span { start, end } = pair.span;
    match end - start == pair.text.len() {
        true => (
            Span::new(start, start + name),
            Span::new(start + name + 1, end),
        ),
        false => (pair.span, pair.span),
    }
}
