//! DL3061: A Dockerfile begins with FROM, ARG or a comment.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3061",
    name: "order",
    severity: Severity::Error,
    summary: "A Dockerfile begins with FROM, ARG or a comment",
    why: "There is no image yet that anything else could be done to; the build fails.",
    bad: "LABEL version=1\nFROM debian:12\n",
    good: "FROM debian:12\nLABEL version=1\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in &subject.file.misplaced {
        report
            .add(
                instruction.keyword.span,
                format!("{} before the first FROM", instruction.kind.name()),
            )
            .help("only ARG, comments and directives may stand before FROM");
    }
}
