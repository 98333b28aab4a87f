//! SC1077: commands are substituted between backticks, which slant left.

use super::scripts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1077",
    name: "slanted-tick",
    severity: Severity::Error,
    summary: "Commands are substituted between backticks, which slant left",
    why: "´ is an accent, and means nothing to the shell.",
    bad: "FROM debian:12\nRUN echo ´date´\n",
    good: "FROM debian:12\nRUN echo \"$(date)\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        if let Some(at) = run.text.find('´') {
            report
                .add(
                    run.place(Span::new(at, at + '´'.len_utf8())),
                    "this is an accent, no backtick",
                )
                .help("write $(…)");
        }
    }
}
