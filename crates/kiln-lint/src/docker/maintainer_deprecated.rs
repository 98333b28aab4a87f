//! `MaintainerDeprecated`: a label says the same and is inherited.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "MaintainerDeprecated",
    name: "maintainer-deprecated",
    severity: Severity::Warning,
    summary: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    why: "MAINTAINER can hold one thing only and is not a label, so that tools that read labels do not see it.",
    bad: "FROM debian:12\nMAINTAINER someone@example.com\n",
    good: "FROM debian:12\nLABEL org.opencontainers.image.authors=\"someone@example.com\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.instructions() {
        if let InstructionKind::Maintainer(name) = &instruction.kind {
            let help = format!(
                "write LABEL org.opencontainers.image.authors={:?}",
                name.text
            );
            let message = "MAINTAINER is deprecated";
            report.add_with_help(instruction.keyword.span, message, Some(help));
        }
    }
}
