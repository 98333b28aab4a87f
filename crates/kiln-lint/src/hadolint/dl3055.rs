//! DL3055: A label of type hash must be a git commit.

use super::labels;
use crate::finding::Report;
use crate::options::LabelType;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3055",
    name: "label-commit",
    severity: Severity::Warning,
    summary: "A label of type hash must be a git commit",
    why: "The configuration asks for the commit that the image was made of.",
    bad: "FROM debian:12\nLABEL revision=main\n",
    good: "FROM debian:12\nLABEL revision=4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
    example_config: "label-schema:\n  revision: hash\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let is_commit = |value: &str| {
        (7..=40).contains(&value.len())
            && value
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    labels::must_fit(
        subject,
        report,
        LabelType::Hash,
        "is no git commit",
        is_commit,
    );
}
