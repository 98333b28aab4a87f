//! SC1110: A typographic quote is no quote to the shell.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1110",
    name: "unicode-quote",
    severity: Severity::Warning,
    summary: "A typographic quote is no quote to the shell",
    why: "It comes with text copied from a web page, and belongs to the word.",
    bad: "FROM debian:12\nRUN echo “hello”\n",
    good: "FROM debian:12\nRUN echo \"hello\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            for part in &word.parts {
                let Part::Literal(text, span) = part else {
                    continue;
                };
                if text.contains(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']) {
                    report
                        .add(run.place(*span), "typographic quotes")
                        .help("type them as \" or '");
                }
            }
        });
    }
}
