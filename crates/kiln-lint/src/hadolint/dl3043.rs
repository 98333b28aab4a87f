//! DL3043: ONBUILD cannot hold FROM, ONBUILD or MAINTAINER.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3043",
    name: "valid-onbuild",
    severity: Severity::Error,
    summary: "ONBUILD cannot hold FROM, ONBUILD or MAINTAINER",
    why: "The trigger would be refused when another image is built on this one.",
    bad: "FROM debian:12\nONBUILD FROM debian:12\n",
    good: "FROM debian:12\nONBUILD RUN true\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for line in subject.lines() {
        let mut words = line.line.text.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let second = words.next().unwrap_or_default().to_ascii_uppercase();
        if first.eq_ignore_ascii_case("ONBUILD")
            && matches!(second.as_str(), "FROM" | "ONBUILD" | "MAINTAINER")
        {
            report.add(line.line.span, format!("{second} cannot be a trigger"));
        }
    }
}
