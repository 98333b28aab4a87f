//! `DuplicateStageName`: of two stages with one name, `COPY --from` sees only the last.

use super::{Report, Rule, Subject};
use std::collections::BTreeSet;

/// See the module.
pub(super) struct DuplicateStageName;

impl Rule for DuplicateStageName {
    fn name(&self) -> &'static str {
        "DuplicateStageName"
    }

    fn description(&self) -> &'static str {
        "Stage names should be unique"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
}
