//! `UndefinedVar`: a variable that nothing sets is empty, which is hardly meant. If the base image is not known, it may set any variable; then only names are reported that look like a slip.

use super::{Report, Rule, Subject};

/// See the module.
pub(super) struct UndefinedVar;

impl Rule for UndefinedVar {
    fn name(&self) -> &'static str {
        "UndefinedVar"
    }

    fn description(&self) -> &'static str {
        "Variables should be defined before their use"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        for stage in &subject.stages {
            for undefined in stage.steps.iter().flat_map(|step| &step.undefined) {
                if !stage.base_known && undefined.suggestion.is_none() {
                    continue;
                }
                let message = format!("usage of undefined variable ${}", undefined.name);
                let help = undefined
                    .suggestion
                    .as_ref()
                    .map(|near| format!("did you mean ${near}?"));
                report.add_with_help(undefined.span, message, help);
            }
        }
    }
}
