//! SC1035: A space is needed here.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1035",
    name: "space-needed",
    severity: Severity::Error,
    summary: "A space is needed here",
    why: "`!` and `[` are words; without a space behind them they are part of another one.",
    bad: "FROM debian:12\nRUN [-f a ] && echo yes\n",
    good: "FROM debian:12\nRUN [ -f a ] && echo yes\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            let Some(name) = simple.words.first() else {
                return;
            };
            let Some(text) = name.plain() else { return };
            let joined = text.len() > 1
                && (text.starts_with('!') || (text.starts_with('[') && text != "[["));
            if joined {
                report.add(
                    run.place(name.span),
                    format!("a space is missing behind {}", &text[..1]),
                );
            }
        });
    }
}
