//! DL4000: MAINTAINER is deprecated.

use crate::finding::Edit;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL4000",
    name: "no-maintainer",
    severity: Severity::Error,
    summary: "MAINTAINER is deprecated",
    why: "It can hold one thing only and is not a label, so that tools that read labels do not see it.",
    bad: "FROM debian:12\nMAINTAINER someone@example.com\n",
    good: "FROM debian:12\nLABEL org.opencontainers.image.authors=\"someone@example.com\"\n",
    same: &["MaintainerDeprecated"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        if let InstructionKind::Maintainer(name) = &instruction.kind {
            let value = name.text.trim_matches('"');
            let finding = report.add(instruction.keyword.span, "MAINTAINER is deprecated");
            finding.help(format!(
                "write LABEL org.opencontainers.image.authors={value:?}"
            ));
            if !value.contains(['"', '\\', '$', '\'']) {
                let text = format!("LABEL org.opencontainers.image.authors=\"{value}\"");
                finding.suggest(
                    "make it a label",
                    vec![Edit::replace(instruction.span, text)],
                );
            }
        }
    }
}
