//! SC2005: echo of a substitution does what the command does alone.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Part, Substitution};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2005",
    name: "useless-echo",
    severity: Severity::Style,
    summary: "echo of a substitution does what the command does alone",
    why: "The command prints by itself, and keeps its blanks.",
    bad: "FROM debian:12\nRUN echo \"$(date)\"\n",
    good: "FROM debian:12\nRUN date\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let [name, only] = simple.words.as_slice() else {
                return;
            };
            if name.plain() != Some("echo") {
                return;
            }
            let alone = match only.parts.as_slice() {
                [Part::Command { style, .. }] => *style != Substitution::Process,
                [Part::Double(inner, _)] => matches!(inner.as_slice(), [Part::Command { .. }]),
                _ => false,
            };
            if alone {
                report
                    .add(run.place(command.span), "echo adds nothing here")
                    .help("run the command alone");
            }
        });
    }
}
