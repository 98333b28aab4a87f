//! SC1012: A backslash before n or t outside quotes is just the letter.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1012",
    name: "useless-newline-escape",
    severity: Severity::Warning,
    summary: "A backslash before n or t outside quotes is just the letter",
    why: "Line breaks and tabs are made by printf, or by `$(printf …)`.",
    bad: "FROM debian:12\nRUN echo one\\ntwo\n",
    good: "FROM debian:12\nRUN printf 'one\\ntwo\\n'\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            for part in &word.parts {
                if let Part::Escaped(letter @ ('n' | 't' | 'r'), span) = part {
                    report
                        .add(
                            run.place(*span),
                            format!("\\{letter} is just {letter} here"),
                        )
                        .help("use printf");
                }
            }
        });
    }
}
