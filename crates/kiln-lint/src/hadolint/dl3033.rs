//! DL3033: pin versions in yum install.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3033",
    name: "pin-yum",
    severity: Severity::Warning,
    summary: "Pin versions in yum install",
    why: "Without versions the same line installs other programs next week, whatever the cache says.",
    bad: "FROM centos:7\nRUN yum install -y httpd && yum clean all\n",
    good: "FROM centos:7\nRUN yum install -y httpd-2.4.6 && yum clean all\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        packages::pin_rpm(report, run, command, &["yum"]);
    }
}
