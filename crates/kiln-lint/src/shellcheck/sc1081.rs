//! SC1081: the words of the shell are in lower case.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1081",
    name: "keyword-case",
    severity: Severity::Error,
    summary: "The words of the shell are in lower case",
    why: "`If` is a program of that name, which nobody has.",
    bad: "FROM debian:12\nRUN If true; then echo yes; fi\n",
    good: "FROM debian:12\nRUN if true; then echo yes; fi\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            const WORDS: [&str; 11] = [
                "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case",
            ];
            let Some(name) = simple.words.first() else {
                return;
            };
            let Some(text) = name.plain() else { return };
            let lower = text.to_ascii_lowercase();
            if lower != text && WORDS.contains(&lower.as_str()) {
                report
                    .add(
                        run.place(name.span),
                        format!("{text} is no word of the shell"),
                    )
                    .help(format!("write {lower}"));
            }
        });
    }
}
