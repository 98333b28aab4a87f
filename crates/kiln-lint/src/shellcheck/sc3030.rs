//! SC3030: sh need not know this: arrays.

use super::posix::{self, Feature};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC3030",
    name: "arrays",
    severity: Severity::Warning,
    summary: "sh need not know this: arrays",
    why: "RUN is run by /bin/sh, which on Debian is dash and on Alpine busybox: POSIX is all that they share. Choose bash with SHELL if you need more.",
    bad: "FROM debian:12\nRUN list=(a b); echo \"${list}\"\n",
    good: "FROM debian:12\nRUN list=\"a b\"; echo \"$list\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    posix::report(subject, report, Feature::Array);
}
