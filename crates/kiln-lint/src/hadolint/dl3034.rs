//! DL3034: use zypper with -y.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3034",
    name: "zypper-yes",
    severity: Severity::Warning,
    summary: "Use zypper with -y",
    why: "zypper asks before it installs, and nobody is there to answer.",
    bad: "FROM opensuse/leap:15.6\nRUN zypper install httpd=2.4.46 && zypper clean\n",
    good: "FROM opensuse/leap:15.6\nRUN zypper install -y httpd=2.4.46 && zypper clean\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let verbs = [
        "install",
        "in",
        "remove",
        "rm",
        "source-install",
        "si",
        "patch",
    ];
    let answers = ["y", "n", "no-confirm", "non-interactive"];
    for (run, command) in commands(subject) {
        packages::ask_nothing(report, run, command, &["zypper"], &verbs, &answers);
    }
}
