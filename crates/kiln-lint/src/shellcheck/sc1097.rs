//! SC1097: an assignment has one equals sign.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1097",
    name: "double-equals",
    severity: Severity::Error,
    summary: "An assignment has one equals sign",
    why: "`x==1` sets x to `=1`.",
    bad: "FROM debian:12\nRUN x==1; echo \"$x\"\n",
    good: "FROM debian:12\nRUN x=1; echo \"$x\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            for assignment in &simple.assignments {
                let value = assignment
                    .values
                    .first()
                    .and_then(|value| value.parts.first());
                if matches!(value, Some(Part::Literal(text, _)) if text.starts_with('=')) {
                    report
                        .add(
                            run.place(assignment.span),
                            format!("{} is set to a text that begins with =", assignment.name),
                        )
                        .help("use one =, or [ … ] to compare");
                }
            }
        });
    }
}
