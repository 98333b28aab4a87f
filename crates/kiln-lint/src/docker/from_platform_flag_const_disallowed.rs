//! `FromPlatformFlagConstDisallowed`: a fixed platform in FROM cannot be overridden. A stage whose name holds the system or machine says that this is meant.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::platform::PlatformParts;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "FromPlatformFlagConstDisallowed",
    name: "from-platform-flag-const-disallowed",
    severity: Severity::Warning,
    summary: "FROM --platform flag should not use a constant value",
    why: "A platform that is fixed in FROM gives the wrong image to all who build for another one.",
    bad: "FROM --platform=linux/amd64 debian:12\n",
    good: "FROM --platform=$BUILDPLATFORM debian:12 AS build\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for stage in &subject.file.stages {
        let Some(word) = &stage.from.platform else {
            continue;
        };
        let Some(globals) = &subject.globals else {
            return;
        };
        let Ok(expanded) = globals.expand(word, subject.file.escape()) else {
            continue;
        };
        if !expanded.used.is_empty() || !expanded.unset.is_empty() {
            continue;
        }
        let target = &subject.facts.plan.target_platform;
        let Some(platform) = PlatformParts::parse(&expanded.value, target) else {
            continue;
        };
        let name = stage.lower_name().unwrap_or_default();
        if name.contains(&platform.os) || name.contains(&platform.architecture) {
            continue;
        }
        let message = format!(
            "FROM --platform should not be the constant {:?}",
            expanded.value
        );
        let help = "leave it out, or use $BUILDPLATFORM, or put the platform into the stage's name";
        report.add_with_help(word.span, message, Some(help.to_string()));
    }
}
