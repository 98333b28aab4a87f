//! SC1099: A comment needs a space before its #.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1099",
    name: "space-before-hash",
    severity: Severity::Error,
    summary: "A comment needs a space before its #",
    why: "`done#` is one word, and no end of a loop.",
    bad: "FROM debian:12\nRUN if true; then echo yes; fi#no\n",
    good: "FROM debian:12\nRUN if true; then echo yes; fi\n",
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
            let closes = |word: &str| matches!(word, "done" | "fi" | "esac" | "then" | "do");
            if name
                .plain()
                .and_then(|text| text.split_once('#'))
                .is_some_and(|(word, _)| closes(word))
            {
                report.add(run.place(name.span), "a space is missing before the #");
            }
        });
    }
}
