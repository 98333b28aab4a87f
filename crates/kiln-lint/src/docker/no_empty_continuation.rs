//! `NoEmptyContinuation`: a blank line inside a continued instruction will become an error one day.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "NoEmptyContinuation",
    name: "no-empty-continuation",
    severity: Severity::Warning,
    summary: "Empty continuation lines will become errors in a future release",
    why: "A blank line inside a continued instruction is read as if it were not there. BuildKit has announced that it will become an error.",
    bad: "FROM debian:12\nRUN echo one && \\\n\n    echo two\n",
    good: "FROM debian:12\nRUN echo one && \\\n    echo two\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for span in &subject.file.empty_continuations {
        report.add_with_help(
            *span,
            "empty continuation line",
            Some("remove it".to_string()),
        );
    }
}
