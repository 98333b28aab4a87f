//! DL3029: do not fix the platform in FROM.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3029",
    name: "no-platform-in-from",
    severity: Severity::Warning,
    summary: "Do not fix the platform in FROM",
    why: "Whoever builds for another platform gets an image whose programs do not run.",
    bad: "FROM --platform=linux/amd64 debian:12\n",
    good: "FROM --platform=$BUILDPLATFORM debian:12\n",
    same: &["FromPlatformFlagConstDisallowed"],
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
        if !platform.has_variable() {
            report
                .add(
                    platform.span,
                    format!("the platform is fixed to {}", platform.text),
                )
                .help("leave it out, or use $BUILDPLATFORM or $TARGETPLATFORM");
        }
    }
}
