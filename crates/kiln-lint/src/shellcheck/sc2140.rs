//! SC2140: the quotes inside a word open and close it.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2140",
    name: "quotes-inside",
    severity: Severity::Warning,
    summary: "The quotes inside a word open and close it",
    why: "In `\"a\"b\"c\"` the b is outside of the quotes. Escape the inner quotes, or leave them out.",
    bad: "FROM debian:12\nRUN echo \"say \"hello\" now\"\n",
    good: "FROM debian:12\nRUN echo \"say \\\"hello\\\" now\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            for three in word.parts.windows(3) {
                if let [
                    Part::Double(..),
                    Part::Literal(text, span),
                    Part::Double(..),
                ] = three
                    && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
                    && !text.contains(['=', ':', ','])
                {
                    report.add(run.place(*span), format!("{text:?} is outside the quotes"));
                }
            }
        });
    }
}
