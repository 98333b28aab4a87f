//! DL3056: A label of type semver must be a version.

use super::labels;
use crate::finding::Report;
use crate::options::LabelType;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3056",
    name: "label-version",
    severity: Severity::Warning,
    summary: "A label of type semver must be a version",
    why: "The configuration asks for a version that can be compared (Semantic Versioning 2.0.0).",
    bad: "FROM debian:12\nLABEL version=v1\n",
    good: "FROM debian:12\nLABEL version=1.0.0\n",
    example_config: "label-schema:\n  version: semver\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    labels::must_fit(
        subject,
        report,
        LabelType::Semver,
        "is no semantic version",
        is_version,
    );
}

fn is_version(text: &str) -> bool {
    let (text, _) = text.split_once('+').unwrap_or((text, ""));
    let (core, before) = match text.split_once('-') {
        Some((core, before)) => (core, Some(before)),
        None => (text, None),
    };
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let identifier = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    core.split('.').count() == 3
        && core.split('.').all(number)
        && before.is_none_or(|before| before.split('.').all(identifier))
}
