//! SC2039: sh need not know this.

use super::posix::{self, Feature};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2039",
    name: "posix-only",
    severity: Severity::Ignore,
    summary: "sh need not know this",
    why: "The old name of all rules SC30… together. They have taken its place; it is here for configurations that name it.",
    bad: "FROM debian:12\nRUN [[ -f /a ]] && echo yes\n",
    good: "FROM debian:12\nRUN [ -f /a ] && echo yes\n",
    example_config: "override:\n  warning: [SC2039]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for feature in Feature::ALL {
        posix::report(subject, report, feature);
    }
}
