//! DL4003: A stage has one CMD at most.

use super::repeated;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL4003",
    name: "one-cmd",
    severity: Severity::Warning,
    summary: "A stage has one CMD at most",
    why: "Only the last one counts; the others only mislead.",
    bad: "FROM debian:12\nCMD [\"one\"]\nCMD [\"two\"]\n",
    good: "FROM debian:12\nCMD [\"two\"]\n",
    same: &["MultipleInstructionsDisallowed"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    repeated(subject, report, "CMD");
}
