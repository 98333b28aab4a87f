//! DL3038: use dnf install -y.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3038",
    name: "dnf-yes",
    severity: Severity::Warning,
    summary: "Use dnf install -y",
    why: "dnf asks before it installs, and nobody is there to answer.",
    bad: "FROM fedora:40\nRUN dnf install httpd-2.4.62 && dnf clean all\n",
    good: "FROM fedora:40\nRUN dnf install -y httpd-2.4.62 && dnf clean all\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let programs = ["dnf", "microdnf"];
    for (run, command) in commands(subject) {
        packages::ask_nothing(
            report,
            run,
            command,
            &programs,
            &packages::RPM_INSTALLS,
            &["y", "yes", "assumeyes"],
        );
    }
}
