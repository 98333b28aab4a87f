//! KL1012: change owners and modes while copying, not afterwards.

use crate::finding::Report;
use crate::hadolint::commands;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1012",
    name: "chown-in-own-layer",
    severity: Severity::Warning,
    summary: "Change owners and modes while copying, not afterwards",
    why: "A file whose owner or mode changes is stored again whole: chown of a tree doubles what it takes in the image.",
    bad: "FROM debian:12\nCOPY app /app\nRUN chown -R 1000:1000 /app\n",
    good: "FROM debian:12\nCOPY --chown=1000:1000 app /app\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let whole =
            command.is(&["chown", "chmod", "chgrp"]) && command.has_flag(&["R", "recursive"]);
        if !whole {
            continue;
        }
        let view = &subject.views[run.view];
        let copied = |path: &str| {
            let path = path.trim_end_matches('/');
            view.instructions[..run.position.min(view.instructions.len())]
                .iter()
                .any(|one| {
                    let dest = match &one.kind {
                        InstructionKind::Copy(copy) => &copy.dest.text,
                        InstructionKind::Add(add) => &add.dest.text,
                        _ => return false,
                    };
                    let dest = dest.trim_end_matches('/');
                    dest == path
                        || dest
                            .strip_prefix(path)
                            .is_some_and(|rest| rest.starts_with('/'))
                })
        };
        if command
            .args
            .iter()
            .any(|arg| arg.text.starts_with('/') && copied(&arg.text))
        {
            let flag = if command.name == "chmod" {
                "--chmod"
            } else {
                "--chown"
            };
            report
                .add(
                    run.place(command.span),
                    format!("{} stores the whole tree a second time", command.name),
                )
                .help(format!("write COPY {flag}=…"));
        }
    }
}
