//! SC1045: `&` ends a command; a semicolon may not follow it.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ProblemKind;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1045",
    name: "ampersand-semicolon",
    severity: Severity::Error,
    summary: "`&` ends a command; a semicolon may not follow it",
    why: "`a &; b` is no shell; `a & b` is.",
    bad: "FROM debian:12\nRUN sleep 1 &; echo two\n",
    good: "FROM debian:12\nRUN sleep 1 & echo two\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for problem in run.problems.iter().filter(|problem| {
            problem.kind == ProblemKind::Terminator && problem.message.contains("already")
        }) {
            report.add(run.place(problem.span), "a semicolon may not follow &");
        }
    }
}
