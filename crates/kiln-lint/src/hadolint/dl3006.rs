//! DL3006: name the version of a base image.

use super::images;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3006",
    name: "tag-the-base",
    severity: Severity::Warning,
    summary: "Name the version of a base image",
    why: "A name without a tag is `latest`: another image tomorrow, and nobody sees when it changed.",
    bad: "FROM debian\n",
    good: "FROM debian:12\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (stage, image) in images::bases(subject) {
        let named = image.tag.is_some() || image.digest.is_some() || image.variable;
        if !named && !image.stage && image.name != "scratch" {
            report
                .add(
                    stage.from.image.span,
                    format!("{} has no tag", stage.from.image.text),
                )
                .help("add the tag of a version");
        }
    }
}
