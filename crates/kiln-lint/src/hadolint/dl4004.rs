//! DL4004: A stage has one ENTRYPOINT at most.

use super::repeated;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL4004",
    name: "one-entrypoint",
    severity: Severity::Error,
    summary: "A stage has one ENTRYPOINT at most",
    why: "Only the last one counts; the others only mislead.",
    bad: "FROM debian:12\nENTRYPOINT [\"one\"]\nENTRYPOINT [\"two\"]\n",
    good: "FROM debian:12\nENTRYPOINT [\"two\"]\n",
    same: &["MultipleInstructionsDisallowed"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    repeated(subject, report, "ENTRYPOINT");
}
