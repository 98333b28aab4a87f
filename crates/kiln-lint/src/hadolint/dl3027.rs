//! DL3027: use apt-get or apt-cache instead of apt.

use super::commands;
use crate::finding::Edit;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3027",
    name: "no-apt",
    severity: Severity::Warning,
    summary: "Use apt-get or apt-cache instead of apt",
    why: "apt is for people: its options and its output may change from one version to the next.",
    bad: "FROM debian:12\nRUN apt list\n",
    good: "FROM debian:12\nRUN apt-cache pkgnames\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if !command.is(&["apt"]) {
            continue;
        }
        let finding = report.add(run.place(command.span), "apt has no stable command line");
        finding.help("write apt-get");
        let same = command.has(&[
            "install",
            "update",
            "upgrade",
            "remove",
            "purge",
            "autoremove",
            "clean",
        ]);
        if same && run.editable(command.name_span) {
            let edit = Edit::replace(run.place(command.name_span), "apt-get");
            finding.fix("write apt-get", vec![edit]);
        }
    }
}
