//! SC1010: A word of the shell stands where an argument is.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1010",
    name: "keyword-argument",
    severity: Severity::Warning,
    summary: "A word of the shell stands where an argument is",
    why: "Without a semicolon or a line break before it, `done` is an argument like any other.",
    bad: "FROM debian:12\nRUN for i in a b; do echo \"$i\" done\n",
    good: "FROM debian:12\nRUN for i in a b; do echo \"$i\"; done\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            for word in simple.words.iter().skip(1) {
                if matches!(
                    word.plain(),
                    Some("then" | "do" | "done" | "fi" | "esac" | "else" | "elif")
                ) {
                    report
                        .add(run.place(word.span), "this word is an argument here")
                        .help("put a semicolon before it, or quotes around it");
                }
            }
        });
    }
}
