//! `ReservedStageName`: `scratch` and `context` mean something else.

use super::{Report, Rule, Subject};

/// See the module.
pub(super) struct ReservedStageName;

impl Rule for ReservedStageName {
    fn name(&self) -> &'static str {
        "ReservedStageName"
    }

    fn description(&self) -> &'static str {
        "Reserved words should not be used as stage names"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
}
