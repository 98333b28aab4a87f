//! `StageNameCasing`: stages are found whatever their letter case, so mixed case only misleads.

use super::{Report, Rule, Subject};

/// See the module.
pub(super) struct StageNameCasing;

impl Rule for StageNameCasing {
    fn name(&self) -> &'static str {
        "StageNameCasing"
    }

    fn description(&self) -> &'static str {
        "Stage names should be lowercase"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
}
