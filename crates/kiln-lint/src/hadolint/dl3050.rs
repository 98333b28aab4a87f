//! DL3050: there should be no labels other than those in the configuration.

use super::labels;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3050",
    name: "label-unknown",
    severity: Severity::Info,
    summary: "There should be no labels other than those in the configuration",
    why: "With strict-labels, a label that nobody asked for is taken for a slip.",
    bad: "FROM debian:12\nLABEL version=1 verson=2\n",
    good: "FROM debian:12\nLABEL version=1\n",
    example_config: "strict-labels: true\nlabel-schema:\n  version: text\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    if !subject.options.strict_labels {
        return;
    }
    for (key, pair) in subject.views.iter().flat_map(labels::of) {
        if !subject.options.label_schema.contains_key(key) {
            report.add(pair.key.span, format!("label {key:?} is not in the schema"));
        }
    }
}
