//! DL3036: end with zypper clean.

use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3036",
    name: "zypper-clean",
    severity: Severity::Warning,
    summary: "End with zypper clean",
    why: "What zypper fetched stays in the layer otherwise, where nobody needs it.",
    bad: "FROM opensuse/leap:15.6\nRUN zypper install -y httpd=2.4.46\n",
    good: "FROM opensuse/leap:15.6\nRUN zypper install -y httpd=2.4.46 && zypper clean\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in subject.runs() {
        packages::clean_after(
            report,
            run,
            &packages::Cleaning {
                programs: &["zypper"],
                verbs: &["install", "in"],
                cleans: &["clean", "cc"],
                paths: &[],
                mounts: &["/var/cache/zypp"],
                fix: "zypper clean",
            },
        );
    }
}
