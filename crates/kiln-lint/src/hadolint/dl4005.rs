//! DL4005: use SHELL to change the shell.

use super::commands;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL4005",
    name: "shell-not-ln",
    severity: Severity::Warning,
    summary: "Use SHELL to change the shell",
    why: "`/bin/sh` is the distribution's, whose scripts rely on what it is; SHELL changes what your own lines run in.",
    bad: "FROM debian:12\nRUN ln -sf /bin/bash /bin/sh\n",
    good: "FROM debian:12\nSHELL [\"/bin/bash\", \"-c\"]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&["ln"]) && command.has(&["/bin/sh"]) {
            report
                .add(run.place(command.span), "the system's shell is replaced")
                .help("write SHELL [\"/bin/bash\", \"-c\"]");
        }
    }
}
