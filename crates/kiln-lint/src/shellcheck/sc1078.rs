//! SC1078: A double quote should be closed on the line that it opens on.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ProblemKind;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1078",
    name: "unclosed-quote",
    severity: Severity::Warning,
    summary: "A double quote should be closed on the line that it opens on",
    why: "A quote that goes on for lines is mostly one that was forgotten.",
    bad: "FROM debian:12\nRUN echo \"hello\n",
    good: "FROM debian:12\nRUN echo \"hello\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for problem in run.problems.iter().filter(|problem| {
            problem.kind == ProblemKind::Unclosed && problem.message.contains("double quote")
        }) {
            report.add(run.place(problem.span), "is this double quote not closed?");
        }
    }
}
