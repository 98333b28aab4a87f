//! SC2026: this word is outside the quotes.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2026",
    name: "outside-quotes",
    severity: Severity::Info,
    summary: "This word is outside the quotes",
    why: "An apostrophe ended the text in single quotes, and another one began a new text.",
    bad: "FROM debian:12\nRUN echo 'it'is'so'\n",
    good: "FROM debian:12\nRUN echo \"it's\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            for three in word.parts.windows(3) {
                if let [
                    Part::Single(..),
                    Part::Literal(text, span),
                    Part::Single(..),
                ] = three
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
                {
                    report.add(run.place(*span), "this word is outside the quotes");
                }
            }
        });
    }
}
