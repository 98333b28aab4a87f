//! DL3023: COPY --from cannot name its own stage.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3023",
    name: "copy-from-itself",
    severity: Severity::Error,
    summary: "COPY --from cannot name its own stage",
    why: "A stage cannot take files from itself while it is being made; the build fails.",
    bad: "FROM debian:12 AS build\nCOPY --from=build /app /srv\n",
    good: "FROM debian:12 AS build\nRUN cp -r /app /srv\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for stage in &subject.file.stages {
        for instruction in &stage.instructions {
            if let InstructionKind::Copy(copy) = &instruction.kind
                && let Some(from) = &copy.from
                && stage.has_name(&from.text)
            {
                report.add(
                    from.span,
                    format!("stage {:?} copies from itself", from.text),
                );
            }
        }
    }
}
