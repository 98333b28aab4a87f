//! Splitting an instruction's arguments: at blanks, at blanks outside quotes, and as JSON.

use crate::lines::LogicalLine;
use crate::syntax::Word;
use std::ops::Range;

/// The blanks that separate words.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

/// A word of the line.
pub(super) fn word(line: &LogicalLine, range: Range<usize>) -> Word {
    Word::new(&line.text[range.clone()], line.place(range))
}

/// The range without blanks at its ends.
pub(super) fn trim(line: &LogicalLine, range: Range<usize>) -> Range<usize> {
    let text = &line.text[range.clone()];
    let start = range.start + (text.len() - text.trim_start().len());
    start..(range.start + text.trim_end().len()).max(start)
}

/// Words between blanks; quotes mean nothing.
pub(super) fn split_blanks(line: &LogicalLine, range: Range<usize>) -> Vec<Word> {
    ranges(&line.text, range, is_blank, |_, _| false)
        .into_iter()
        .map(|range| word(line, range))
        .collect()
}

/// Words between blanks (Unicode's, here) that stand neither in quotes nor behind an escape. Quotes and
/// escapes stay in the words.
pub(super) fn split_quoted(line: &LogicalLine, range: Range<usize>, escape: char) -> Vec<Word> {
    let mut quote = None;
    let mut escaped = false;
    let inside = |character: char, _: usize| {
        if escaped {
            escaped = false;
            return true;
        }
        match (quote, character) {
            (Some('\''), '\'') => quote = None,
            (Some('\''), _) => {}
            (_, character) if character == escape => escaped = true,
            (Some('"'), '"') => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, _) => return false,
            _ => {}
        }
        true
    };
    ranges(&line.text, range, char::is_whitespace, inside)
        .into_iter()
        .map(|range| word(line, range))
        .collect()
}

/// Ranges between blanks for which `inside` says no.
fn ranges(
    text: &str,
    range: Range<usize>,
    blank: impl Fn(char) -> bool,
    mut inside: impl FnMut(char, usize) -> bool,
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (offset, character) in text[range.clone()].char_indices() {
        let at = range.start + offset;
        let kept = inside(character, at) || !blank(character);
        match (start, kept) {
            (None, true) => start = Some(at),
            (Some(begin), false) => {
                found.push(begin..at);
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|begin| begin..range.end));
    found
}

/// What an attempt to read a JSON array gave.
pub(super) enum Json {
    /// An array of strings.
    Strings(Vec<String>),
    /// A JSON array, but not of strings only.
    Mixed,
    /// No JSON array; it is the shell form.
    No,
}

/// Reads the text as a JSON array of strings.
pub(super) fn json(text: &str) -> Json {
    let text = text.trim();
    if !text.starts_with('[') {
        return Json::No;
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(text) else {
        return Json::No;
    };
    let strings: Option<Vec<String>> = values
        .into_iter()
        .map(|value| match value {
            serde_json::Value::String(text) => Some(text),
            _ => None,
        })
        .collect();
    strings.map_or(Json::Mixed, Json::Strings)
}
