//! DL3030: use yum install -y.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3030",
    name: "yum-yes",
    severity: Severity::Warning,
    summary: "Use yum install -y",
    why: "yum asks before it installs, and nobody is there to answer.",
    bad: "FROM centos:7\nRUN yum install httpd-2.4.6 && yum clean all\n",
    good: "FROM centos:7\nRUN yum install -y httpd-2.4.6 && yum clean all\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        packages::ask_nothing(
            report,
            run,
            command,
            &["yum"],
            &packages::RPM_INSTALLS,
            &["y", "yes", "assumeyes"],
        );
    }
}
