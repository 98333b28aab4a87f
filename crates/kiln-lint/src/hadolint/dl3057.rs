//! DL3057: A HEALTHCHECK should be there.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3057",
    name: "healthcheck-missing",
    severity: Severity::Ignore,
    summary: "A HEALTHCHECK should be there",
    why: "Without one, docker takes a process that hangs for a healthy one. Off unless it is given a severity: Kubernetes does not look at it.",
    bad: "FROM debian:12\nCMD [\"server\"]\n",
    good: "FROM debian:12\nHEALTHCHECK CMD [\"curl\", \"-f\", \"http://localhost/\"]\nCMD [\"server\"]\n",
    example_config: "override:\n  warning: [DL3057]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let has =
        |one: &kiln_dockerfile::Instruction| matches!(one.kind, InstructionKind::Healthcheck(_));
    if subject.written().any(has) {
        return;
    }
    for view in &subject.views {
        report.add(
            view.span(),
            "no HEALTHCHECK says whether a container is well",
        );
    }
}
