//! DL3032: end with yum clean all.

use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3032",
    name: "yum-clean",
    severity: Severity::Warning,
    summary: "End with yum clean all",
    why: "What yum fetched stays in the layer otherwise: some 100 MB that nobody needs.",
    bad: "FROM centos:7\nRUN yum install -y httpd-2.4.6\n",
    good: "FROM centos:7\nRUN yum install -y httpd-2.4.6 && yum clean all\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let paths = ["/var/cache/yum/*", "/var/cache/yum", "/var/cache/*"];
    for run in subject.runs() {
        packages::clean_after(
            report,
            run,
            &packages::Cleaning {
                programs: &["yum"],
                verbs: &["install"],
                cleans: &["clean"],
                paths: &paths,
                mounts: &["/var/cache/yum"],
                fix: "yum clean all",
            },
        );
    }
}
