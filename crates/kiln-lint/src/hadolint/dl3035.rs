//! DL3035: do not run zypper dist-upgrade.

use super::commands;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3035",
    name: "no-dist-upgrade",
    severity: Severity::Warning,
    summary: "Do not run zypper dist-upgrade",
    why: "A new release belongs into a new base image, where it was tested as a whole.",
    bad: "FROM opensuse/leap:15.5\nRUN zypper -n dist-upgrade && zypper clean\n",
    good: "FROM opensuse/leap:15.6\nRUN true\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&["zypper"]) && command.has(&["dist-upgrade", "dup"]) {
            report
                .add(
                    run.place(command.span),
                    "the whole distribution is upgraded",
                )
                .help("take the base image of the new release");
        }
    }
}
