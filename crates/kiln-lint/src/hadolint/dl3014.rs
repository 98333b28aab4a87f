//! DL3014: use apt-get -y.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3014",
    name: "apt-yes",
    severity: Severity::Warning,
    summary: "Use apt-get -y",
    why: "apt-get asks before it installs, and nobody is there to answer.",
    bad: "FROM debian:12\nRUN apt-get update && apt-get install --no-install-recommends curl=7.88.1-10+deb12u8 && rm -rf /var/lib/apt/lists/*\n",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends curl=7.88.1-10+deb12u8 && rm -rf /var/lib/apt/lists/*\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if !command.is(&["apt-get"]) || !command.has(&["install"]) {
            continue;
        }
        let long_quiet = command
            .args
            .iter()
            .filter(|arg| arg.text == "--quiet")
            .count();
        let quiet =
            command.count_short('q') + long_quiet > 1 || command.has(&["-q=2", "--quiet=2"]);
        if quiet || command.has_flag(&["y", "yes", "assume-yes"]) {
            continue;
        }
        let finding = report.add(
            run.place(command.span),
            "apt-get install waits for an answer",
        );
        packages::offer_flag(finding, run, command, "install", "-y");
    }
}
