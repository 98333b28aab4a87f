//! `JSONArgsRecommended`: the shell form puts a shell between the process and its signals. An explicit `SHELL` says that this is meant.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{CommandLine, InstructionKind};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "JSONArgsRecommended",
    name: "json-args-recommended",
    severity: Severity::Warning,
    summary: "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    why: "The shell form runs the program below `/bin/sh -c`, which does not pass signals on: `docker stop` waits ten seconds and then kills.",
    bad: "FROM debian:12\nCMD sleep 60\n",
    good: "FROM debian:12\nCMD [\"sleep\", \"60\"]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for step in subject.stages.iter().flat_map(|stage| &stage.steps) {
        let (InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command)) =
            &step.instruction.kind
        else {
            continue;
        };
        if matches!(command, CommandLine::Shell(_)) && !step.has_shell {
            let name = step.instruction.kind.name();
            let message = format!("JSON arguments recommended for {name}");
            let help = format!("write {name} [\"program\", \"argument\"]");
            report.add_with_help(step.instruction.keyword.span, message, Some(help));
        }
    }
}
