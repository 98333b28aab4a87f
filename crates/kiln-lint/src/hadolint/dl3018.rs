//! DL3018: pin versions in apk add.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3018",
    name: "pin-apk",
    severity: Severity::Warning,
    summary: "Pin versions in apk add",
    why: "Without versions the same line installs other programs next week, whatever the cache says.",
    bad: "FROM alpine:3.20\nRUN apk add --no-cache curl\n",
    good: "FROM alpine:3.20\nRUN apk add --no-cache curl=8.9.1-r1\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&["apk"]) && command.has(&["add"]) {
            let names = command.operands(&[
                "t",
                "virtual",
                "X",
                "repository",
                "p",
                "root",
                "keys-dir",
                "wait",
                "arch",
                "cache-dir",
                "repositories-file",
            ]);
            let fixed = |name: &str| name.contains(['=', '<', '>', '~']) || name.ends_with(".apk");
            packages::report_unpinned(report, run, command, &names, "add", "curl=8.9.1-r1", fixed);
        }
    }
}
