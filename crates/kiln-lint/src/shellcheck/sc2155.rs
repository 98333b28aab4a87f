//! SC2155: declare and set a variable separately.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2155",
    name: "masked-status",
    severity: Severity::Warning,
    summary: "Declare and set a variable separately",
    why: "`export x=$(cmd)` succeeds even where cmd fails.",
    bad: "FROM debian:12\nRUN export version=\"$(cat version)\"\n",
    good: "FROM debian:12\nRUN version=\"$(cat version)\"; export version\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            let Some(name) = simple.words.first().and_then(|word| word.plain()) else {
                return;
            };
            if !matches!(
                name,
                "export" | "readonly" | "local" | "declare" | "typeset"
            ) {
                return;
            }
            for word in simple.words.iter().skip(1) {
                let sets = matches!(word.parts.first(), Some(Part::Literal(text, _)) if text.contains('='));
                if sets && word.parts.iter().any(holds_command) {
                    report
                        .add(run.place(word.span), "the status of the command is lost")
                        .help("set the variable first");
                }
            }
        });
    }
}

fn holds_command(part: &Part) -> bool {
    match part {
        Part::Command { .. } => true,
        Part::Double(parts, _) => parts.iter().any(holds_command),
        _ => false,
    }
}
