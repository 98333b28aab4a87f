//! `DuplicateStageName`: of two stages with one name, `COPY --from` sees only the last.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use std::collections::BTreeSet;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DuplicateStageName",
    name: "duplicate-stage-name",
    severity: Severity::Warning,
    summary: "Stage names should be unique",
    why: "Of two stages with one name only the last can be referred to; the other one is lost without a word.",
    bad: "FROM debian:12 AS build\nFROM debian:13 AS build\n",
    good: "FROM debian:12 AS build\nFROM debian:13 AS final\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for stage in &subject.file.stages {
        let (Some(name), Some(lower)) = (&stage.name, stage.lower_name()) else {
            continue;
        };
        if !seen.insert(lower) {
            report.add(name.span, format!("duplicate stage name {:?}", name.text));
        }
    }
}
