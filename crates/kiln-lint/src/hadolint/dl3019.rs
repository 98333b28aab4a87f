//! DL3019: use apk add --no-cache.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3019",
    name: "apk-no-cache",
    severity: Severity::Info,
    summary: "Use apk add --no-cache",
    why: "The index that apk fetches stays in the layer otherwise, and is stale the next day.",
    bad: "FROM alpine:3.20\nRUN apk add curl=8.9.1-r1\n",
    good: "FROM alpine:3.20\nRUN apk add --no-cache curl=8.9.1-r1\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if command.is(&["apk"])
            && command.has(&["add"])
            && !command.has_flag(&["no-cache"])
            && !run.mounts("/var/cache/apk")
        {
            let finding = report.add(run.place(command.span), "apk leaves its index in the layer");
            packages::offer_flag(finding, run, command, "add", "--no-cache");
        }
    }
}
