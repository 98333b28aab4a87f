//! DL3037: pin versions in zypper install.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3037",
    name: "pin-zypper",
    severity: Severity::Warning,
    summary: "Pin versions in zypper install",
    why: "Without versions the same line installs other programs next week, whatever the cache says.",
    bad: "FROM opensuse/leap:15.6\nRUN zypper install -y httpd && zypper clean\n",
    good: "FROM opensuse/leap:15.6\nRUN zypper install -y httpd=2.4.46 && zypper clean\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let Some(verb) = ["install", "in"]
            .into_iter()
            .find(|verb| command.has(&[verb]))
        else {
            continue;
        };
        if command.is(&["zypper"]) {
            let names = command.operands(&["from", "r", "repo", "t", "type"]);
            let fixed = |name: &str| name.contains(['=', '<', '>', '~']) || name.ends_with(".rpm");
            packages::report_unpinned(report, run, command, &names, verb, "httpd=2.4.46", fixed);
        }
    }
}
