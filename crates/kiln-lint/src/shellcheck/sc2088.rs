//! SC2088: A tilde in quotes is just a tilde.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2088",
    name: "quoted-tilde",
    severity: Severity::Warning,
    summary: "A tilde in quotes is just a tilde",
    why: "The shell replaces it by the home directory only outside quotes.",
    bad: "FROM debian:12\nRUN cp a \"~/b\"\n",
    good: "FROM debian:12\nRUN cp a \"$HOME/b\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            let Some(Part::Double(inner, span)) = word.parts.first() else {
                return;
            };
            if matches!(inner.first(), Some(Part::Literal(text, _)) if text.starts_with("~/")) {
                report
                    .add(run.place(*span), "the tilde is not replaced in quotes")
                    .help("write $HOME");
            }
        });
    }
}
