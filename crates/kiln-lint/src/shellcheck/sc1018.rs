//! SC1018: A no-break space is no space to the shell.

use super::scripts;
use crate::finding::Edit;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1018",
    name: "no-break-space",
    severity: Severity::Error,
    summary: "A no-break space is no space to the shell",
    why: "It comes with text copied from a web page, looks like a space, and belongs to the word.",
    bad: "FROM debian:12\nRUN echo hello\n",
    good: "FROM debian:12\nRUN echo hello\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for (at, found) in run.text.match_indices('\u{a0}') {
            let span = run.place(Span::new(at, at + found.len()));
            report
                .add(span, "this is a no-break space")
                .fix("make it a space", vec![Edit::replace(span, " ")]);
        }
    }
}
