//! DL3040: end with dnf clean all.

use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3040",
    name: "dnf-clean",
    severity: Severity::Warning,
    summary: "End with dnf clean all",
    why: "What dnf fetched stays in the layer otherwise: some 100 MB that nobody needs.",
    bad: "FROM fedora:40\nRUN dnf install -y httpd-2.4.62\n",
    good: "FROM fedora:40\nRUN dnf install -y httpd-2.4.62 && dnf clean all\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let paths = [
        "/var/cache/dnf/*",
        "/var/cache/dnf",
        "/var/cache/libdnf5/*",
        "/var/cache/libdnf5",
        "/var/cache/*",
    ];
    for (program, fix) in [("dnf", "dnf clean all"), ("microdnf", "microdnf clean all")] {
        for run in subject.runs() {
            packages::clean_after(
                report,
                run,
                &packages::Cleaning {
                    programs: &[program],
                    verbs: &["install", "reinstall", "upgrade"],
                    cleans: &["clean"],
                    paths: &paths,
                    mounts: &["/var/cache/dnf", "/var/cache/libdnf5"],
                    fix,
                },
            );
        }
    }
}
