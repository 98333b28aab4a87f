//! DL3063: stages cannot be called scratch or context.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3063",
    name: "reserved-stage",
    severity: Severity::Warning,
    summary: "Stages cannot be called scratch or context",
    why: "Both words mean something else wherever a stage's name may stand.",
    bad: "FROM debian:12 AS scratch\n",
    good: "FROM debian:12 AS build\n",
    same: &["ReservedStageName"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for name in subject
        .file
        .stages
        .iter()
        .filter_map(|stage| stage.name.as_ref())
    {
        if matches!(name.text.as_str(), "scratch" | "context") {
            report.add(name.span, format!("{} is a reserved name", name.text));
        }
    }
}
