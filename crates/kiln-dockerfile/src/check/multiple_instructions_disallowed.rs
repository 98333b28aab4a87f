//! `MultipleInstructionsDisallowed`: only the last CMD, ENTRYPOINT and HEALTHCHECK of a stage has an effect.

use super::{Report, Rule, Subject};

/// See the module.
pub(super) struct MultipleInstructionsDisallowed;

impl Rule for MultipleInstructionsDisallowed {
    fn name(&self) -> &'static str {
        "MultipleInstructionsDisallowed"
    }

    fn description(&self) -> &'static str {
        "Multiple instructions of the same type should not be used in the same stage"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
}
