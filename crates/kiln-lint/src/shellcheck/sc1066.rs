//! SC1066: no dollar sign stands on the left of an assignment.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1066",
    name: "dollar-assignment",
    severity: Severity::Error,
    summary: "No dollar sign stands on the left of an assignment",
    why: "`$x=1` runs a program whose name begins with what x holds.",
    bad: "FROM debian:12\nRUN $x=1\n",
    good: "FROM debian:12\nRUN x=1; echo \"$x\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            if let Some([Part::Parameter(_), Part::Literal(text, _), ..]) =
                simple.words.first().map(|word| word.parts.as_slice())
                && text.starts_with('=')
                && let Some(word) = simple.words.first()
            {
                report
                    .add(run.place(word.span), "this is no assignment")
                    .help("leave the $ out");
            }
        });
    }
}
