//! DL3058: A label of type email must be a mail address.

use super::labels;
use crate::finding::Report;
use crate::options::LabelType;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3058",
    name: "label-mail",
    severity: Severity::Warning,
    summary: "A label of type email must be a mail address",
    why: "The configuration asks for an address that somebody can write to.",
    bad: "FROM debian:12\nLABEL contact=somebody\n",
    good: "FROM debian:12\nLABEL contact=somebody@example.com\n",
    example_config: "label-schema:\n  contact: email\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let is_address = |value: &str| {
        value.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !value.contains(char::is_whitespace)
        })
    };
    labels::must_fit(
        subject,
        report,
        LabelType::Email,
        "is no mail address",
        is_address,
    );
}
