//! KL1006: A USER without rights should run the program.

use crate::finding::Report;
use crate::hadolint::images;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1006",
    name: "runs-as-root",
    severity: Severity::Warning,
    summary: "A USER without rights should run the program",
    why: "Without USER the program runs as root. Whoever breaks into it is root in the container, and one kernel bug away from the host.",
    bad: "FROM debian:12\nCMD [\"server\"]\n",
    good: "FROM debian:12\nUSER 1000\nCMD [\"server\"]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(last) = subject.views.last() else {
        return;
    };
    let chain = subject.chain(last.position);
    let starts = |one: &&kiln_dockerfile::Instruction| {
        matches!(
            one.kind,
            InstructionKind::Cmd(_) | InstructionKind::Entrypoint(_)
        )
    };
    let Some(start) = last.instructions.iter().find(starts) else {
        return;
    };
    let user = |one: &kiln_dockerfile::Instruction| matches!(one.kind, InstructionKind::User(_));
    let set = chain.iter().flat_map(|view| view.instructions).any(user);
    let base = chain
        .last()
        .and_then(|view| view.stage)
        .map(|stage| stage.from.image.text.as_str())
        .unwrap_or_default();
    let parts = images::split(base);
    // Bases that bring a user say so in their name; of a variable nothing is known.
    let rootless = base.contains("nonroot")
        || base.contains("rootless")
        || base.contains("unprivileged")
        || parts.variable;
    let windows = base.contains("windows") || base.contains("nanoserver");
    if !set && !rootless && !windows {
        report
            .add(start.keyword.span, "the program runs as root")
            .help("add a USER, by number, before it");
    }
}
