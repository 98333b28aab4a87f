//! SC1001: A backslash before an ordinary letter does nothing.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1001",
    name: "useless-escape",
    severity: Severity::Info,
    summary: "A backslash before an ordinary letter does nothing",
    why: "The letter stays what it is, and the backslash is lost. Whoever wrote it meant something else.",
    bad: "FROM debian:12\nRUN echo a\\d\n",
    good: "FROM debian:12\nRUN echo \"a\\\\d\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            for part in &word.parts {
                if let Part::Escaped(letter, span) = part
                    && letter.is_ascii_alphanumeric()
                    && !matches!(letter, 'n' | 't' | 'r')
                {
                    report.add(
                        run.place(*span),
                        format!("\\{letter} is just {letter} here"),
                    );
                }
            }
        });
    }
}
