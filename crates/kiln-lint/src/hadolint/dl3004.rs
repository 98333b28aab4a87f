//! DL3004: do not use sudo.

use super::commands;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3004",
    name: "no-sudo",
    severity: Severity::Error,
    summary: "Do not use sudo",
    why: "A build runs as root, or as the USER that was chosen; sudo needs a terminal for nothing and treats signals and the environment in its own way.",
    bad: "FROM debian:12\nRUN sudo make install\n",
    good: "FROM debian:12\nUSER root\nRUN make install\nUSER 1000\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&["sudo"]) {
            report
                .add(run.place(command.span), "sudo in a build")
                .help("switch with USER, or drop privileges with setpriv or gosu");
        }
    }
}
