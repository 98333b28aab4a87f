//! DL3008: pin versions in apt-get install.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3008",
    name: "pin-apt",
    severity: Severity::Warning,
    summary: "Pin versions in apt-get install",
    why: "Without versions the same line installs other programs next week, whatever the cache says.",
    bad: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*\n",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends curl=7.88.1-10+deb12u8 && rm -rf /var/lib/apt/lists/*\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&["apt-get"]) && command.has(&["install"]) {
            let names =
                command.operands(&["t", "target-release", "o", "option", "c", "config-file"]);
            let fixed = |name: &str| name.contains(['=', '/']) || name.ends_with(".deb");
            packages::report_unpinned(
                report,
                run,
                command,
                &names,
                "install",
                "curl=7.88.1-10",
                fixed,
            );
        }
    }
}
