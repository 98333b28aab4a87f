//! SC1007: no space may follow the equals sign of an assignment.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1007",
    name: "space-after-equals",
    severity: Severity::Warning,
    summary: "No space may follow the equals sign of an assignment",
    why: "With a space the variable is set to nothing, for the command that follows.",
    bad: "FROM debian:12\nRUN x= value\n",
    good: "FROM debian:12\nRUN x=value; echo \"$x\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let Some(last) = simple.assignments.last() else {
                return;
            };
            let empty = !last.array && last.values.iter().all(|value| value.parts.is_empty());
            if empty && !simple.words.is_empty() && !matches!(last.name.as_str(), "IFS" | "CDPATH")
            {
                let _ = command;
                report
                    .add(
                        run.place(last.span),
                        format!("{} is set to nothing", last.name),
                    )
                    .help("remove the space behind =, or write ''");
            }
        });
    }
}
