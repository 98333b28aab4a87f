//! COPY and ADD.

use super::flags::{Flags, Known, Takes};
use super::heredoc::opening;
use crate::diagnostic::Diagnostic;
use crate::expand::{self, NoVariables};
use crate::span::Span;
use crate::syntax::{Add, Copy, Heredoc, Source, Word};

pub(super) const COPY_FLAGS: &[Known] = &[
    ("from", Takes::Text),
    ("chown", Takes::Text),
    ("chmod", Takes::Text),
    ("link", Takes::Bool),
    ("parents", Takes::Bool),
    ("exclude", Takes::Texts),
];

pub(super) const ADD_FLAGS: &[Known] = &[
    ("chown", Takes::Text),
    ("chmod", Takes::Text),
    ("link", Takes::Bool),
    ("exclude", Takes::Texts),
    ("keep-git-dir", Takes::Bool),
    ("checksum", Takes::Text),
    ("unpack", Takes::Bool),
];

/// COPY from its flags, words and here-documents.
pub(super) fn copy(
    flags: &Flags,
    words: Vec<Word>,
    heredocs: &[Heredoc],
    escape: char,
    at: Span,
) -> Result<Copy, Diagnostic> {
    let (sources, dest) = sources("COPY", words, heredocs, at)?;
    let from = flags.text("from");
    if let Some(from) = &from {
        let literal = expand::expand(&from.text, escape, &NoVariables);
        if !literal.is_ok_and(|expanded| expanded.value == from.text) {
            let message = "variable expansion is not supported for --from";
            return Err(Diagnostic::error(from.span, message).with_help(
                "give the image a stage of its own, `FROM $image AS name`, and copy from that",
            ));
        }
    }
    Ok(Copy {
        sources,
        dest,
        from,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.switch("link").unwrap_or(false),
        parents: flags.switch("parents").unwrap_or(false),
        excludes: flags.texts("exclude").collect(),
    })
}

/// ADD from its flags, words and here-documents.
pub(super) fn add(
    flags: &Flags,
    words: Vec<Word>,
    heredocs: &[Heredoc],
    at: Span,
) -> Result<Add, Diagnostic> {
    let (sources, dest) = sources("ADD", words, heredocs, at)?;
    Ok(Add {
        sources,
        dest,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.switch("link").unwrap_or(false),
        excludes: flags.texts("exclude").collect(),
        keep_git_dir: flags.switch("keep-git-dir"),
        checksum: flags.text("checksum"),
        unpack: flags.switch("unpack"),
    })
}

/// Everything but the last word, and the last.
fn sources(
    instruction: &str,
    mut words: Vec<Word>,
    heredocs: &[Heredoc],
    at: Span,
) -> Result<(Vec<Source>, Word), Diagnostic> {
    let dest = words.pop();
    let (Some(dest), false) = (dest, words.is_empty()) else {
        let message = format!("{instruction} needs at least one source and a destination");
        return Err(Diagnostic::error(at, message));
    };
    if !heredocs.is_empty() && opening(&dest.text).is_some() {
        let message = format!("{instruction} cannot take a here-document as its destination");
        return Err(Diagnostic::error(dest.span, message));
    }
    let source = |word: Word| match opening(&word.text) {
        // Of two here-documents with one name the last one counts.
        Some(opening) => heredocs
            .iter()
            .rev()
            .find(|heredoc| heredoc.name == opening.name)
            .map_or(Source::Path(word), |heredoc| {
                Source::Heredoc(heredoc.clone())
            }),
        None => Source::Path(word),
    };
    Ok((words.into_iter().map(source).collect(), dest))
}
