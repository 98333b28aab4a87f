//! DL3016: pin versions in npm install.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3016",
    name: "pin-npm",
    severity: Severity::Warning,
    summary: "Pin versions in npm install",
    why: "Without a version the same line installs another package next week, whatever the cache says.",
    bad: "FROM node:22\nRUN npm install express\n",
    good: "FROM node:22\nRUN npm install express@4.21.0\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&["npm"]) && command.has(&["install"]) {
            let names = command.operands(&[
                "loglevel", "prefix", "registry", "omit", "include", "cache", "tag",
            ]);
            packages::report_unpinned(
                report,
                run,
                command,
                &names,
                "install",
                "express@4.21.0",
                is_pinned,
            );
        }
    }
}

/// A version behind `@`, a commit behind `#`, an archive or a directory.
fn is_pinned(name: &str) -> bool {
    if name.starts_with("git+") || name.starts_with("git://") {
        return name.contains('#');
    }
    let local = matches!(name, "." | "..")
        || ["/", "./", "../", "~/"]
            .iter()
            .any(|start| name.starts_with(start));
    let archive = [".tar", ".tar.gz", ".tgz"]
        .iter()
        .any(|end| name.ends_with(end));
    local
        || archive
        || name
            .char_indices()
            .any(|(at, letter)| letter == '@' && at > 0)
}
