//! `RedundantTargetPlatform`: the target platform is what FROM takes anyway.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::expand::Variables;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "RedundantTargetPlatform",
    name: "redundant-target-platform",
    severity: Severity::Warning,
    summary: "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    why: "FROM takes the target platform without being told.",
    bad: "FROM --platform=$TARGETPLATFORM debian:12\n",
    good: "FROM debian:12\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(globals) = &subject.globals else {
        return;
    };
    for word in subject
        .file
        .stages
        .iter()
        .filter_map(|stage| stage.from.platform.as_ref())
    {
        let Ok(expanded) = globals.expand(word, subject.file.escape()) else {
            continue;
        };
        let only = expanded.unset.is_empty()
            && expanded.used.len() == 1
            && expanded.used.contains("TARGETPLATFORM");
        if only && globals.get("TARGETPLATFORM").as_deref() == Some(expanded.value.as_str()) {
            let message = format!("--platform={} is the default", word.text);
            report.add_with_help(word.span, message, Some("leave it out".to_string()));
        }
    }
}
