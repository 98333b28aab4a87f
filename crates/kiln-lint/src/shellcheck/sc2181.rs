//! SC2181: look at the status of the command itself.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Part, Word};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2181",
    name: "status-variable",
    severity: Severity::Style,
    summary: "Look at the status of the command itself",
    why: "Whatever is put between the command and `$?` changes it.",
    bad: "FROM debian:12\nRUN make; if [ $? -ne 0 ]; then exit 1; fi\n",
    good: "FROM debian:12\nRUN if ! make; then exit 1; fi\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let test = matches!(simple.name().as_deref(), Some("[" | "test"));
            let status = |word: &Word| matches!(word.parts.as_slice(), [Part::Parameter(one)] if one.name == "?");
            let zero = simple.words.iter().any(|word| word.plain() == Some("0"));
            if test && zero && simple.words.iter().any(status) {
                report
                    .add(run.place(command.span), "the status is looked at later")
                    .help("write `if command; then`");
            }
        });
    }
}
