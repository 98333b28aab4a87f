//! `MultipleInstructionsDisallowed`: only the last CMD, ENTRYPOINT and HEALTHCHECK of a stage has an effect.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "MultipleInstructionsDisallowed",
    name: "multiple-instructions-disallowed",
    severity: Severity::Warning,
    summary: "Multiple instructions of the same type should not be used in the same stage",
    why: "Of several CMD, ENTRYPOINT or HEALTHCHECK in a stage only the last one counts; the others only mislead.",
    bad: "FROM debian:12\nCMD [\"one\"]\nCMD [\"two\"]\n",
    good: "FROM debian:12\nCMD [\"two\"]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for stage in &subject.file.stages {
        for name in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let mut all: Vec<_> = stage
                .instructions
                .iter()
                .filter(|step| step.kind.name() == name)
                .collect();
            // The last one counts; the ones before are what is wrong.
            all.pop();
            for step in all {
                let message = format!("only the last {name} of a stage is used");
                report.add(step.keyword.span, message);
            }
        }
    }
}
