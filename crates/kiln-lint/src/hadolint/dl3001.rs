//! DL3001: some commands make no sense in a container.

use super::commands;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3001",
    name: "pointless-command",
    severity: Severity::Info,
    summary: "Some commands make no sense in a container",
    why: "Editors, service managers and tools to look at processes have nothing to do while an image is built; what they were meant for is done otherwise.",
    bad: "FROM debian:12\nRUN service ssh start\n",
    good: "FROM debian:12\nCMD [\"sshd\", \"-D\"]\n",
    check,
    ..Rule::BLANK
};

const POINTLESS: [&str; 9] = [
    "free", "kill", "mount", "ps", "service", "shutdown", "ssh", "top", "vim",
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&POINTLESS) {
            let message = format!("{} does nothing useful during a build", command.name);
            report.add(run.place(command.span), message);
        }
    }
}
