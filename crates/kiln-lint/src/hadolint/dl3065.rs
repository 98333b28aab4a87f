//! DL3065: FROM takes $TARGETPLATFORM without being told.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3065",
    name: "redundant-platform",
    severity: Severity::Warning,
    summary: "FROM takes $TARGETPLATFORM without being told",
    why: "It is what FROM does anyway.",
    bad: "FROM --platform=$TARGETPLATFORM debian:12\n",
    good: "FROM debian:12\n",
    same: &["RedundantTargetPlatform"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for platform in subject
        .file
        .stages
        .iter()
        .filter_map(|stage| stage.from.platform.as_ref())
    {
        if matches!(
            platform.text.as_str(),
            "$TARGETPLATFORM" | "${TARGETPLATFORM}"
        ) {
            report.add(
                platform.span,
                format!("--platform={} is the default", platform.text),
            );
        }
    }
}
