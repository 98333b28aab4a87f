//! KL1013: A service should have a HEALTHCHECK.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1013",
    name: "service-without-check",
    severity: Severity::Style,
    summary: "A service should have a HEALTHCHECK",
    why: "The image names a port, so something listens there; without a check, docker takes a process that hangs for a healthy one. Kubernetes has its own probes.",
    bad: "FROM debian:12\nEXPOSE 8080\nCMD [\"server\"]\n",
    good: "FROM debian:12\nEXPOSE 8080\nHEALTHCHECK CMD [\"curl\", \"-f\", \"http://localhost:8080/\"]\nCMD [\"server\"]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(last) = subject.views.last() else {
        return;
    };
    let chain = subject.chain(last.position);
    let has = |wanted: &str| {
        chain
            .iter()
            .flat_map(|view| view.instructions)
            .any(|one| one.kind.name() == wanted)
    };
    let expose = last
        .instructions
        .iter()
        .find(|one| matches!(one.kind, InstructionKind::Expose(_)));
    let starts = has("CMD") || has("ENTRYPOINT");
    if let Some(expose) = expose.filter(|_| starts && !has("HEALTHCHECK")) {
        report
            .add(expose.keyword.span, "a port is named, and no HEALTHCHECK")
            .help("add one that asks at this port");
    }
}
