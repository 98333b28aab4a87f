//! SC3020: sh need not know this: &>.

use super::posix::{self, Feature};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC3020",
    name: "ampersand-redirect",
    severity: Severity::Warning,
    summary: "sh need not know this: &>",
    why: "RUN is run by /bin/sh, which on Debian is dash and on Alpine busybox: POSIX is all that they share. Choose bash with SHELL if you need more.",
    bad: "FROM debian:12\nRUN ls &> /dev/null\n",
    good: "FROM debian:12\nRUN ls > /dev/null 2>&1\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    posix::report(subject, report, Feature::BothRedirect);
}
