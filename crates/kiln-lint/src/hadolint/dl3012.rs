//! DL3012: A stage has one HEALTHCHECK at most.

use super::repeated;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3012",
    name: "one-healthcheck",
    severity: Severity::Error,
    summary: "A stage has one HEALTHCHECK at most",
    why: "Only the last one counts; the others only mislead.",
    bad: "FROM debian:12\nHEALTHCHECK CMD [\"true\"]\nHEALTHCHECK CMD [\"curl\", \"http://localhost/\"]\n",
    good: "FROM debian:12\nHEALTHCHECK CMD [\"curl\", \"http://localhost/\"]\n",
    same: &["MultipleInstructionsDisallowed"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    repeated(subject, report, "HEALTHCHECK");
}
