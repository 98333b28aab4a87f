//! DL3051: A label of type text must not be empty.

use super::labels;
use crate::finding::Report;
use crate::options::LabelType;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3051",
    name: "label-empty",
    severity: Severity::Warning,
    summary: "A label of type text must not be empty",
    why: "The configuration asks for the label; without a value it says nothing.",
    bad: "FROM debian:12\nLABEL version=\n",
    good: "FROM debian:12\nLABEL version=1\n",
    example_config: "label-schema:\n  version: text\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    labels::must_fit(subject, report, LabelType::Text, "is empty", |value| {
        !value.is_empty()
    });
}
