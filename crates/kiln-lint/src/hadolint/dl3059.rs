//! DL3059: consecutive RUNs can be joined.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Run};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3059",
    name: "join-runs",
    severity: Severity::Info,
    summary: "Consecutive RUNs can be joined",
    why: "Each RUN makes a layer of its own; what one leaves, the next cannot take out again.",
    bad: "FROM debian:12\nRUN make\nRUN make install\n",
    good: "FROM debian:12\nRUN make && make install\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let runs = subject.runs();
    for pair in runs.windows(2) {
        let [first, second] = pair else { continue };
        let next = first.view == second.view && first.position + 1 == second.position;
        let alone = first.commands.len() <= 1 && second.commands.len() <= 1;
        let written = |run: &crate::shell::ShellRun<'_>| {
            matches!(run.instruction.kind, InstructionKind::Run(_))
        };
        if next && alone && written(first) && written(second) && same_flags(first.run, second.run) {
            report
                .add(
                    second.instruction.keyword.span,
                    "this RUN follows another one",
                )
                .help("join them with && into one layer");
        }
    }
}

fn same_flags(first: &Run, second: &Run) -> bool {
    let fields = |run: &Run| -> Vec<_> {
        let fields = run.mounts.iter().flat_map(|mount| &mount.fields);
        fields
            .map(|field| {
                (
                    field.key,
                    field.value.as_ref().map(|value| value.text.clone()),
                )
            })
            .collect()
    };
    first.network == second.network
        && first.security == second.security
        && fields(first) == fields(second)
}
