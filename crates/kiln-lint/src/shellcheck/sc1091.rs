//! SC1091: A sourced file was not looked at.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1091",
    name: "source-unseen",
    severity: Severity::Ignore,
    summary: "A sourced file was not looked at",
    why: "What it sets is not known, so that the rules about variables may be wrong. Off, because a Dockerfile cannot help it.",
    bad: "FROM debian:12\nRUN . /etc/profile\n",
    good: "FROM debian:12\nRUN true\n",
    example_config: "override:\n  warning: [SC1091]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for command in &run.commands {
            if command.is(&[".", "source"]) {
                report.add(run.place(command.span), "what this file sets is not known");
            }
        }
    }
}
