//! KL1014: an ENTRYPOINT in shell form gets neither CMD nor signals.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{CommandLine, InstructionKind};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1014",
    name: "entrypoint-ignores-cmd",
    severity: Severity::Warning,
    summary: "An ENTRYPOINT in shell form gets neither CMD nor signals",
    why: "`/bin/sh -c` takes the text as its only script: the words of CMD, and of `docker run`, go nowhere, and the signal to stop ends at the shell.",
    bad: "FROM debian:12\nENTRYPOINT server --port 80\nCMD [\"--verbose\"]\n",
    good: "FROM debian:12\nENTRYPOINT [\"server\", \"--port\", \"80\"]\nCMD [\"--verbose\"]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let shell = view.instructions.iter().find(|one| {
            matches!(&one.kind, InstructionKind::Entrypoint(CommandLine::Shell(text)) if !text.text.trim_start().starts_with("exec "))
        });
        let cmd = view
            .instructions
            .iter()
            .any(|one| matches!(one.kind, InstructionKind::Cmd(_)));
        if let Some(entrypoint) = shell.filter(|_| cmd) {
            report
                .add(entrypoint.span, "CMD is not given to this ENTRYPOINT")
                .help("write ENTRYPOINT [\"program\", \"argument\"]");
        }
    }
}
