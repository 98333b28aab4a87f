//! DL3024: stage names must be unique.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3024",
    name: "unique-stage-name",
    severity: Severity::Error,
    summary: "Stage names must be unique",
    why: "Of two stages with one name only the last can be referred to.",
    bad: "FROM debian:12 AS build\nFROM debian:13 AS build\n",
    good: "FROM debian:12 AS build\nFROM debian:13 AS final\n",
    same: &["DuplicateStageName"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let stages = &subject.file.stages;
    for (at, stage) in stages.iter().enumerate() {
        let Some(name) = &stage.name else { continue };
        let same = |other: &kiln_dockerfile::Stage| {
            other
                .name
                .as_ref()
                .is_some_and(|other| other.text == name.text)
        };
        if stages[..at].iter().any(same) {
            report.add(
                name.span,
                format!("another stage is called {:?} already", name.text),
            );
        }
    }
}
