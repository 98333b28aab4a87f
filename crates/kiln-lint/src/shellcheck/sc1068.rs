//! SC1068: no spaces may stand around the equals sign of an assignment.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1068",
    name: "spaces-around-equals",
    severity: Severity::Error,
    summary: "No spaces may stand around the equals sign of an assignment",
    why: "`export x = 1` exports three names.",
    bad: "FROM debian:12\nRUN export x = 1\n",
    good: "FROM debian:12\nRUN export x=1\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for command in &run.commands {
            let declares =
                command.is(&["export", "readonly", "local", "declare", "typeset", "alias"]);
            if declares
                && let Some(sign) = command
                    .args
                    .iter()
                    .skip(1)
                    .find(|arg| arg.text.starts_with('='))
            {
                report
                    .add(run.place(sign.span), "spaces around = make no assignment")
                    .help("remove them");
            }
        }
    }
}
