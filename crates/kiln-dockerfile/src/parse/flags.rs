//! The `--flag[=value]` words before an instruction's arguments.

use super::words::word;
use crate::diagnostic::Diagnostic;
use crate::lines::LogicalLine;
use crate::span::Span;
use crate::suggest;
use crate::syntax::Word;
use std::ops::Range;

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing, `true` or `false`.
    Bool,
    /// A text, once.
    Text,
    /// A text, any number of times.
    Texts,
}

/// A flag that an instruction knows.
pub(super) type Known = (&'static str, Takes);

/// The flags of one instruction.
pub(super) struct Flags(Vec<Flag>);

struct Flag {
    name: String,
    value: Option<Word>,
    span: Span,
}

impl Flags {
    /// Takes the flags at the start of the range; gives them and where the arguments begin.
    pub(super) fn take(line: &LogicalLine, range: Range<usize>) -> (Flags, usize) {
        let mut flags = Vec::new();
        let mut at = range.start;
        loop {
            let rest = &line.text[at..range.end];
            at += rest.len() - rest.trim_start().len();
            if !line.text[at..range.end].starts_with("--") {
                return (Flags(flags), at);
            }
            let (text, length) = unquote(&line.text[at..range.end]);
            let raw = at..at + length;
            at += length;
            if text == "--" {
                return (Flags(flags), at);
            }
            flags.push(Flag::new(line, raw, &text));
        }
    }

    /// Checks the flags against those that the instruction knows.
    pub(super) fn check(&self, instruction: &str, known: &[Known]) -> Result<(), Diagnostic> {
        for (at, flag) in self.0.iter().enumerate() {
            let Some((_, takes)) = known.iter().find(|(name, _)| *name == flag.name) else {
                let near = suggest::nearest(&flag.name, known.iter().map(|(name, _)| *name));
                let near = near.map(|name| format!("--{name}"));
                let message = format!("unknown flag --{} for {instruction}", flag.name);
                return Err(Diagnostic::error(flag.span, message).with_suggestion(near.as_deref()));
            };
            let repeated = self.0[..at].iter().any(|earlier| earlier.name == flag.name);
            if repeated && *takes != Takes::Texts {
                let message = format!("duplicate flag --{}", flag.name);
                return Err(Diagnostic::error(flag.span, message));
            }
            let value = flag
                .value
                .as_ref()
                .map(|value| value.text.to_ascii_lowercase());
            match (*takes, value.as_deref()) {
                (Takes::Bool, None | Some("true" | "false")) => {}
                (Takes::Bool, Some("")) | (Takes::Text | Takes::Texts, None) => {
                    let message = format!("missing a value on flag --{}", flag.name);
                    return Err(Diagnostic::error(flag.span, message));
                }
                (Takes::Bool, Some(other)) => {
                    let message = format!("flag --{} is true or false, not {other:?}", flag.name);
                    return Err(Diagnostic::error(flag.span, message));
                }
                (Takes::Text | Takes::Texts, Some(_)) => {}
            }
        }
        Ok(())
    }

    /// The value of a flag that is given once; an empty value counts as not given.
    pub(super) fn text(&self, name: &str) -> Option<Word> {
        self.texts(name).next().filter(|word| !word.text.is_empty())
    }

    /// The values of a flag that may be repeated.
    pub(super) fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Word> + 'a {
        self.0
            .iter()
            .filter(move |flag| flag.name == name)
            .filter_map(|flag| flag.value.clone())
    }

    /// A boolean flag, if it is given.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        let flag = self.0.iter().find(|flag| flag.name == name)?;
        Some(
            flag.value
                .as_ref()
                .is_none_or(|value| value.text.eq_ignore_ascii_case("true")),
        )
    }
}

impl Flag {
    fn new(line: &LogicalLine, raw: Range<usize>, text: &str) -> Flag {
        let body = &text[2..];
        let span = line.place(raw.clone());
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        // Without quotes and escapes every character is where it seems to be.
        let plain = line.text[raw.clone()] == *text;
        let value = value.map(|value| match plain {
            true => word(line, raw.end - value.len()..raw.end),
            false => Word::new(value, span),
        });
        Flag {
            name: name.to_string(),
            value,
            span,
        }
    }
}

/// One word with its quotes and escapes taken off, and how many bytes of the text it takes. The escape
/// is always the backslash here, whatever the directive says.
fn unquote(text: &str) -> (String, usize) {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (None, blank) if blank.is_whitespace() => return (out, at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (_, '\\') => out.extend(characters.next().map(|(_, escaped)| escaped)),
            (_, other) => out.push(other),
        }
    }
    (out, text.len())
}
