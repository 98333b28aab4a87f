//! KL1008: pin a base to its digest.

use crate::finding::Edit;
use crate::finding::Report;
use crate::hadolint::images;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1008",
    name: "pin-digest",
    severity: Severity::Style,
    summary: "Pin a base to its digest",
    why: "Tags move: the same Dockerfile gives another image after the base was pushed again. With the digest beside the tag it does not, and the tag still says what it is.",
    bad: "FROM debian:12\n",
    good: "FROM debian:12@sha256:4b825dc642cb6eb9a060e54bf8d69288fbee490400000000000000000000aaaa\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (stage, image) in images::bases(subject) {
        let variable = stage.from.image.has_variable();
        if image.digest.is_some()
            || image.stage
            || variable
            || image.name == "scratch"
            || image.tag.is_none()
        {
            continue;
        }
        let span = stage.from.image.span;
        let finding = report.add(
            span,
            format!("{} may be another image tomorrow", stage.from.image.text),
        );
        finding.help("add @sha256:… behind the tag");
        let digest = subject
            .facts
            .images
            .get(&stage.from.image.text)
            .and_then(|facts| facts.digest.clone());
        if let Some(digest) = digest {
            finding.suggest(
                format!("pin it to {digest}"),
                vec![Edit::insert(span.end, format!("@{digest}"))],
            );
        }
    }
}
