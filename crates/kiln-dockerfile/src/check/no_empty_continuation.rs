//! `NoEmptyContinuation`: a blank line inside a continued instruction will become an error one day.

use super::{Report, Rule, Subject};

/// See the module.
pub(super) struct NoEmptyContinuation;

impl Rule for NoEmptyContinuation {
    fn name(&self) -> &'static str {
        "NoEmptyContinuation"
    }

    fn description(&self) -> &'static str {
        "Empty continuation lines will become errors in a future release"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        for span in &subject.file.empty_continuations {
            report.add_with_help(
                *span,
                "empty continuation line",
                Some("remove it".to_string()),
            );
        }
    }
}
