//! `ReservedStageName`: `scratch` and `context` mean something else.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "ReservedStageName",
    name: "reserved-stage-name",
    severity: Severity::Warning,
    summary: "Reserved words should not be used as stage names",
    why: "`scratch` and `context` mean something else wherever a stage's name may stand, so a stage of that name cannot be reached.",
    bad: "FROM debian:12 AS scratch\n",
    good: "FROM debian:12 AS build\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for stage in &subject.file.stages {
        let Some(name) = &stage.name else { continue };
        if ["context", "scratch"]
            .iter()
            .any(|word| stage.has_name(word))
        {
            report.add(name.span, format!("stage name {:?} is reserved", name.text));
        }
    }
}
