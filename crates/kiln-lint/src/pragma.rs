//! What comments tell the linter: `# hadolint ignore=`, `# hadolint global ignore=`, `# hadolint shell=`, and the
//! same with `kiln`.
//!
//! hadolint's pragma counts for the instruction that begins on the next line. kiln's may stand anywhere in
//! the comments directly above, and a reason may follow the codes.

use kiln_dockerfile::syntax::Comment;
use kiln_dockerfile::{Dockerfile, SourceFile, Span};
use std::collections::{BTreeMap, BTreeSet};

/// The pragmas of a file.
#[derive(Clone, Debug, Default)]
pub struct Pragmas {
    /// Codes that count nowhere in the file, in upper case if they are numbered.
    pub global: BTreeSet<String>,
    /// Codes that do not count for the instruction on this line.
    pub lines: BTreeMap<usize, BTreeSet<String>>,
    /// Where a shell is named, and which: offset in the source.
    pub shells: Vec<(usize, String)>,
    /// The comments that hold an `ignore`.
    pub ignores: Vec<Span>,
}

/// What one comment says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Ignore(Vec<String>),
    Global(Vec<String>),
    Shell(String),
}

impl Pragmas {
    /// Reads the comments of a file.
    pub fn read(source: &SourceFile, file: &Dockerfile) -> Pragmas {
        let mut pragmas = Pragmas::default();
        for comment in &file.comments {
            let line = source.position(comment.span.start).line;
            match said(comment, "hadolint") {
                Some(Said::Ignore(codes)) => {
                    pragmas.ignores.push(comment.span);
                    pragmas.lines.entry(line + 1).or_default().extend(codes);
                }
                Some(Said::Global(codes)) => {
                    pragmas.ignores.push(comment.span);
                    pragmas.global.extend(codes);
                }
                Some(Said::Shell(name)) => pragmas.shells.push((comment.span.start, name)),
                None => {}
            }
        }
        let stages = file
            .stages
            .iter()
            .map(|stage| (stage.span, &stage.comments));
        let steps = file.stages.iter().flat_map(|stage| &stage.instructions);
        let steps = file.global_args.iter().chain(&file.misplaced).chain(steps);
        for (span, comments) in stages.chain(steps.map(|step| (step.span, &step.comments))) {
            let line = source.position(span.start).line;
            for comment in comments {
                if let Some(Said::Ignore(codes)) = said(comment, "kiln") {
                    pragmas.lines.entry(line).or_default().extend(codes);
                }
            }
        }
        for comment in &file.comments {
            match said(comment, "kiln") {
                Some(Said::Global(codes)) => pragmas.global.extend(codes),
                Some(Said::Shell(name)) => pragmas.shells.push((comment.span.start, name)),
                Some(Said::Ignore(_)) | None => {}
            }
        }
        pragmas.shells.sort();
        pragmas
    }

    /// Whether a code does not count for the instruction that begins on a line.
    pub fn ignores(&self, code: &str, line: usize) -> bool {
        self.global.contains(code)
            || self
                .lines
                .get(&line)
                .is_some_and(|codes| codes.contains(code))
    }
}

fn said(comment: &Comment, tool: &str) -> Option<Said> {
    let rest = comment.text.strip_prefix(tool)?;
    let body = rest.trim_start();
    if body.len() == rest.len() {
        return None;
    }
    let (key, value) = body.split_once('=')?;
    let value = value.trim();
    let words: Vec<&str> = key.split_whitespace().collect();
    match words.as_slice() {
        ["ignore"] => Some(Said::Ignore(codes(value, tool == "kiln")?)),
        ["global", "ignore"] => Some(Said::Global(codes(value, tool == "kiln")?)),
        ["shell"] if !value.is_empty() => Some(Said::Shell(value.to_string())),
        _ => None,
    }
}

/// Codes between commas. With `reasons` the list ends at the first code that no comma follows; without, what
/// is no list of codes is no pragma.
fn codes(text: &str, reasons: bool) -> Option<Vec<String>> {
    let mut codes = Vec::new();
    for part in text.split(',') {
        let mut words = part.split_whitespace();
        let code = words.next()?;
        if !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        codes.push(code.to_string());
        if words.next().is_some() {
            return reasons.then_some(codes);
        }
    }
    Some(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(text: &str) -> Comment {
        Comment {
            text: text.to_string(),
            span: Span::default(),
        }
    }

    #[test]
    fn what_comments_say() {
        let ignore =
            |list: &[&str]| Some(Said::Ignore(list.iter().map(ToString::to_string).collect()));
        for (text, expected) in [
            ("hadolint ignore=DL3025", ignore(&["DL3025"])),
            (
                "hadolint   ignore = DL3025 , SC2086",
                ignore(&["DL3025", "SC2086"]),
            ),
            ("hadolint ignore=", None),
            ("hadolint ignore=DL3025,", None),
            ("hadolint ignore=DL3025 because", None),
            ("hadolintignore=DL3025", None),
            ("# hadolint ignore=DL3025", None),
            ("HADOLINT ignore=DL3025", None),
            (
                "hadolint shell = bash",
                Some(Said::Shell("bash".to_string())),
            ),
            (
                "hadolint global ignore=DL3025",
                Some(Said::Global(vec!["DL3025".to_string()])),
            ),
        ] {
            assert_eq!(said(&comment(text), "hadolint"), expected, "{text}");
        }
        assert_eq!(
            said(
                &comment("kiln ignore=KL1001, DL3025 it is a demonstration"),
                "kiln"
            ),
            ignore(&["KL1001", "DL3025"])
        );
    }
}
