//! DL3028: pin versions in gem install.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3028",
    name: "pin-gem",
    severity: Severity::Warning,
    summary: "Pin versions in gem install",
    why: "Without a version the same line installs another package next week, whatever the cache says.",
    bad: "FROM ruby:3.3\nRUN gem install bundler\n",
    good: "FROM ruby:3.3\nRUN gem install bundler:2.5.18\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let Some(verb) = ["install", "i"]
            .into_iter()
            .find(|verb| command.has(&[verb]))
        else {
            continue;
        };
        let versioned = command
            .args
            .iter()
            .any(|arg| arg.text.starts_with("-v") || arg.text.starts_with("--version"));
        if !command.is(&["gem"]) || versioned {
            continue;
        }
        let mut own = command.clone();
        if let Some(end) = own.args.iter().position(|arg| arg.text == "--") {
            own.args.truncate(end);
        }
        let names = own.operands(&[
            "i",
            "install-dir",
            "n",
            "bindir",
            "P",
            "trust-policy",
            "s",
            "source",
            "platform",
        ]);
        let fixed = |name: &str| name.contains(':') || name.ends_with(".gem");
        packages::report_unpinned(report, run, command, &names, verb, "bundler:2.5.18", fixed);
    }
}
