//! Here-documents: which words of a line open one, and their bodies.

use crate::diagnostic::Diagnostic;
use crate::expand::{Lexer, NoVariables};
use crate::lines::{LineReader, LogicalLine};
use crate::syntax::Heredoc;

/// A word that opens a here-document.
pub(crate) struct Opening {
    pub(super) name: String,
    expand: bool,
    strip_tabs: bool,
    descriptor: u32,
}

const LEXER: Lexer = Lexer {
    escape: '\\',
    raw_quotes: false,
    raw_escapes: false,
    keep_quotes: false,
    keep_unset: true,
};
const RAW: Lexer = Lexer {
    raw_quotes: true,
    raw_escapes: true,
    ..LEXER
};

/// Reads `[n]<<[-]NAME`; the name may be quoted, in whole or in part.
pub(crate) fn opening(word: &str) -> Option<Opening> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let rest = word[digits..].strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let names = LEXER.words(rest, &NoVariables).ok()?;
    let [name] = names.as_slice() else {
        return None;
    };
    // What is quoted shows in what stays when quotes stay; escaped quotes stay either way.
    let raw = Lexer {
        raw_quotes: true,
        ..LEXER
    }
    .words(rest, &NoVariables)
    .ok()?;
    let quotes = |word: &String| word.matches(['\'', '"']).count();
    let expand = raw.first().map(quotes) == Some(quotes(name));
    let descriptor = word[..digits].parse().unwrap_or(0);
    Some(Opening {
        name: name.clone(),
        expand,
        strip_tabs,
        descriptor,
    })
}

/// Reads the bodies of all here-documents that the line opens. A line that the shell lexer cannot read
/// (an odd quote, say) opens none, as in BuildKit.
pub(crate) fn bodies(
    line: &LogicalLine,
    reader: &mut LineReader<'_>,
) -> Result<Vec<Heredoc>, Diagnostic> {
    if !line.text.contains("<<") {
        return Ok(Vec::new());
    }
    let words = RAW.words(&line.text, &NoVariables).unwrap_or_default();
    let mut heredocs = Vec::new();
    for opening in words.iter().filter_map(|word| opening(word)) {
        let body = reader.heredoc(&opening.name, opening.strip_tabs);
        if !body.terminated {
            let message = format!(
                "unterminated here-document: no line is {:?} alone",
                opening.name
            );
            return Err(Diagnostic::error(line.span, message).with_help(format!(
                "end it with a line that holds {} only",
                opening.name
            )));
        }
        heredocs.push(Heredoc {
            name: opening.name,
            expand: opening.expand,
            strip_tabs: opening.strip_tabs,
            descriptor: opening.descriptor,
            content: body.text,
            span: body.span,
        });
    }
    Ok(heredocs)
}
