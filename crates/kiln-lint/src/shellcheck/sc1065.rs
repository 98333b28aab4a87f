//! SC1065: A shell function declares no parameters.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ProblemKind;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1065",
    name: "function-parameters",
    severity: Severity::Error,
    summary: "A shell function declares no parameters",
    why: "Its arguments are `$1`, `$2` and so on.",
    bad: "FROM debian:12\nRUN greet(name) { echo \"$1\"; }; greet you\n",
    good: "FROM debian:12\nRUN greet() { echo \"$1\"; }; greet you\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for problem in run
            .problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Parameters)
        {
            report.add(run.place(problem.span), problem.message.clone());
        }
    }
}
