//! SC1098: special characters need quotes in eval.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1098",
    name: "eval-quotes",
    severity: Severity::Error,
    summary: "Special characters need quotes in eval",
    why: "The parentheses are read before eval sees them.",
    bad: "FROM debian:12\nRUN eval list=(a b)\n",
    good: "FROM debian:12\nRUN eval 'list=a'\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        for command in &run.commands {
            if command.is(&["eval"])
                && command
                    .args
                    .iter()
                    .any(|arg| run.text[arg.span.end..].starts_with('('))
            {
                report
                    .add(run.place(command.span), "a parenthesis without quotes")
                    .help("quote the argument of eval");
            }
        }
    }
}
