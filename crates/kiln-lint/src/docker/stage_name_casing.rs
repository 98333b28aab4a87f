//! `StageNameCasing`: stages are found whatever their letter case, so mixed case only misleads.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "StageNameCasing",
    name: "stage-name-casing",
    severity: Severity::Warning,
    summary: "Stage names should be lowercase",
    why: "A stage's name is compared without its case, but readers and other tools are not so lenient: lower case is the one spelling that works everywhere.",
    bad: "FROM debian:12 AS Build\n",
    good: "FROM debian:12 AS build\n",
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
        let lower = name.text.to_ascii_lowercase();
        if lower != name.text {
            let message = format!("stage name {:?} should be lowercase", name.text);
            report.add_with_help(name.span, message, Some(format!("call it {lower}")));
        }
    }
}
