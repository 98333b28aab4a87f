//! SC1072: the shell must be able to read the script.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ProblemKind;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1072",
    name: "shell-syntax",
    severity: Severity::Error,
    summary: "The shell must be able to read the script",
    why: "What cannot be read cannot be run, and is not looked at further.",
    bad: "FROM debian:12\nRUN if true; then echo yes\n",
    good: "FROM debian:12\nRUN if true; then echo yes; fi\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let told = [ProblemKind::Terminator, ProblemKind::Parameters];
        if let Some(problem) = run
            .problems
            .iter()
            .find(|problem| !told.contains(&problem.kind))
        {
            report.add(run.place(problem.span), problem.message.clone());
        }
    }
}
