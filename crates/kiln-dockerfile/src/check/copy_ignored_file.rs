//! `CopyIgnoredFile`: what the ignore file leaves out cannot be copied. A `!` pattern that may include something below the source makes the question undecidable here.

use super::WalkedStep;
use super::{Report, Rule, Subject};
use crate::evaluate::{AddSource, CopySource, Evaluated};

/// See the module.
pub(super) struct CopyIgnoredFile;

impl Rule for CopyIgnoredFile {
    fn name(&self) -> &'static str {
        "CopyIgnoredFile"
    }

    fn description(&self) -> &'static str {
        "Attempting to COPY or ADD a file that is excluded by the ignore file"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(ignore) = &subject.facts.ignore else {
            return;
        };
        for step in subject.stages.iter().flat_map(|stage| &stage.steps) {
            for path in local_sources(step) {
                let root = path.is_empty();
                if (root && !ignore.ignores_everything()) || ignore.may_include(path) {
                    continue;
                }
                if root || ignore.is_ignored(path, false) {
                    let name = step.instruction.kind.name();
                    let shown = if root { "." } else { path };
                    let message = format!("{name} of {shown:?}, which the ignore file excludes");
                    report.add(step.instruction.span, message);
                }
            }
        }
    }
}

/// The paths in the build context that a step takes.
fn local_sources<'a>(step: &'a WalkedStep) -> Vec<&'a str> {
    match &step.evaluated {
        Some(Evaluated::Copy(copy)) if copy.from.is_none() => {
            let path = |source: &'a CopySource| match source {
                CopySource::Path(path) => Some(path.path.as_str()),
                CopySource::Heredoc(_) => None,
            };
            copy.sources.iter().filter_map(path).collect()
        }
        Some(Evaluated::Add(add)) => {
            let path = |source: &'a AddSource| match source {
                AddSource::Local(path) => Some(path.path.as_str()),
                _ => None,
            };
            add.sources.iter().filter_map(path).collect()
        }
        _ => Vec::new(),
    }
}
