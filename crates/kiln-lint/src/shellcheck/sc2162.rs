//! SC2162: use read -r.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2162",
    name: "read-raw",
    severity: Severity::Info,
    summary: "Use read -r",
    why: "Without it, read takes backslashes for escapes.",
    bad: "FROM debian:12\nRUN echo a | while read line; do echo \"$line\"; done\n",
    good: "FROM debian:12\nRUN echo a | while read -r line; do echo \"$line\"; done\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for command in &run.commands {
            if command.is(&["read"]) && !command.has_flag(&["r"]) {
                report
                    .add(run.place(command.span), "read takes backslashes out")
                    .help("add -r");
            }
        }
    }
}
