//! KL1009: images that files are copied from need a version too.

use crate::finding::Report;
use crate::hadolint::images;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Word};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1009",
    name: "latest-source",
    severity: Severity::Warning,
    summary: "Images that files are copied from need a version too",
    why: "`COPY --from=image` without a tag takes what was pushed last: other files tomorrow, and nobody sees when they changed.",
    bad: "FROM debian:12\nCOPY --from=ghcr.io/example/tool:latest /tool /usr/local/bin/\n",
    good: "FROM debian:12\nCOPY --from=ghcr.io/example/tool:1.2.3 /tool /usr/local/bin/\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        for instruction in view.instructions {
            let InstructionKind::Copy(copy) = &instruction.kind else {
                continue;
            };
            let is_image = |from: &&Word| {
                from.text.contains(['/', ':', '.'])
                    && subject.earlier_stage(&from.text, view.position).is_none()
            };
            let Some(from) = copy.from.as_ref().filter(is_image) else {
                continue;
            };
            let image = images::split(&from.text);
            if image.digest.is_none() && matches!(image.tag, None | Some("latest")) {
                report
                    .add(from.span, format!("{} has no version", from.text))
                    .help("add the tag of a version");
            }
        }
    }
}
