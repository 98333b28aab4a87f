//! KL1024: what a later layer deletes still takes its place.

use crate::finding::Report;
use crate::hadolint::images;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1024",
    name: "delete-in-own-layer",
    severity: Severity::Info,
    summary: "What a later layer deletes still takes its place",
    why: "Layers are added to each other: a deleted file is hidden, not gone, and every pull fetches it. Delete in the RUN that made it.",
    bad: "FROM debian:12\nCOPY big.tar /tmp/\nRUN rm -rf /tmp/big.tar\n",
    good: "FROM debian:12\nRUN --mount=type=bind,source=big.tar,target=/tmp/big.tar tar -xf /tmp/big.tar\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in subject
        .runs()
        .iter()
        .filter(|run| !run.onbuild && images::is_kept(subject, run.view))
    {
        let all = !run.commands.is_empty() && run.commands.iter().all(|one| one.is(&["rm"]));
        let first = run.position == 0;
        if all && !first {
            report
                .add(
                    run.instruction.keyword.span,
                    "this only hides what lies in the layers below",
                )
                .help("delete in the RUN that makes the files, or mount them");
        }
    }
}
