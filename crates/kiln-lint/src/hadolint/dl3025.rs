//! DL3025: use the JSON form for CMD and ENTRYPOINT.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{CommandLine, Healthcheck, InstructionKind};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3025",
    name: "json-command",
    severity: Severity::Warning,
    summary: "Use the JSON form for CMD and ENTRYPOINT",
    why: "The shell form runs the program below `/bin/sh -c`, which does not pass signals on: `docker stop` waits ten seconds and then kills.",
    bad: "FROM debian:12\nCMD sleep 60\n",
    good: "FROM debian:12\nCMD [\"sleep\", \"60\"]\n",
    same: &["JSONArgsRecommended"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        let (InstructionKind::Cmd(command)
        | InstructionKind::Entrypoint(command)
        | InstructionKind::Healthcheck(Healthcheck::Test { command, .. })) = &instruction.kind
        else {
            continue;
        };
        if let CommandLine::Shell(text) = command {
            let name = instruction.kind.name();
            report
                .add(text.span, format!("{name} in shell form"))
                .help("write [\"program\", \"argument\"]");
        }
    }
}
