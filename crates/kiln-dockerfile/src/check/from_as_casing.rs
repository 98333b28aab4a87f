//! `FromAsCasing`: `FROM … AS` and `from … as`, but not one of each.

use super::{Report, Rule, Subject};

/// See the module.
pub(super) struct FromAsCasing;

impl Rule for FromAsCasing {
    fn name(&self) -> &'static str {
        "FromAsCasing"
    }

    fn description(&self) -> &'static str {
        "The 'as' keyword should match the case of the 'from' keyword"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        for stage in &subject.file.stages {
            let Some(keyword) = &stage.from.as_keyword else {
                continue;
            };
            let lower = stage.from.keyword.text == stage.from.keyword.text.to_ascii_lowercase();
            let wanted = if lower { "as" } else { "AS" };
            if keyword.text != wanted {
                let from = &stage.from.keyword.text;
                let message = format!("the casing of {:?} does not match {from:?}", keyword.text);
                report.add_with_help(keyword.span, message, Some(format!("write {wanted}")));
            }
        }
    }
}
