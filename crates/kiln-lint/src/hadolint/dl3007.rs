//! DL3007: do not use the tag latest.

use super::images;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3007",
    name: "no-latest",
    severity: Severity::Warning,
    summary: "Do not use the tag latest",
    why: "`latest` is whatever was pushed last: another image tomorrow, and nobody sees when it changed.",
    bad: "FROM debian:latest\n",
    good: "FROM debian:12\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (stage, image) in images::bases(subject) {
        if image.tag == Some("latest") && image.digest.is_none() && !image.stage {
            report
                .add(stage.from.image.span, "the tag latest changes its meaning")
                .help("use the tag of a version");
        }
    }
}
