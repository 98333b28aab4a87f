//! SC3044: sh need not know this: bash's builtins.

use super::posix::{self, Feature};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC3044",
    name: "bash-builtin",
    severity: Severity::Warning,
    summary: "sh need not know this: bash's builtins",
    why: "RUN is run by /bin/sh, which on Debian is dash and on Alpine busybox: POSIX is all that they share. Choose bash with SHELL if you need more.",
    bad: "FROM debian:12\nRUN pushd /srv && ls\n",
    good: "FROM debian:12\nRUN cd /srv && ls\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    posix::report(subject, report, Feature::Builtin);
}
