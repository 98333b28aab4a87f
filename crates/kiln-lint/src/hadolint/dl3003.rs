//! DL3003: use WORKDIR to change the directory.

use super::commands;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3003",
    name: "workdir-not-cd",
    severity: Severity::Warning,
    summary: "Use WORKDIR to change the directory",
    why: "A `cd` holds until the end of its RUN only, which is easily forgotten; WORKDIR says where everything that follows happens.",
    bad: "FROM debian:12\nRUN cd /srv && make\n",
    good: "FROM debian:12\nWORKDIR /srv\nRUN make\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if !run.onbuild && command.is(&["cd"]) {
            report
                .add(
                    run.place(command.span),
                    "cd changes the directory for this RUN only",
                )
                .help("write WORKDIR above it");
        }
    }
}
