//! DL3041: pin versions in dnf install.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3041",
    name: "pin-dnf",
    severity: Severity::Warning,
    summary: "Pin versions in dnf install",
    why: "Without versions the same line installs other programs next week, whatever the cache says.",
    bad: "FROM fedora:40\nRUN dnf install -y httpd && dnf clean all\n",
    good: "FROM fedora:40\nRUN dnf install -y httpd-2.4.62 && dnf clean all\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        packages::pin_rpm(report, run, command, &["dnf", "microdnf"]);
    }
}
