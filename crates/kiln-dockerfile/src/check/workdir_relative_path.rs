//! `WorkdirRelativePath`: the first relative WORKDIR depends on what the base image has set.

use super::{Report, Rule, Subject};
use crate::syntax::InstructionKind;

/// See the module.
pub(super) struct WorkdirRelativePath;

impl Rule for WorkdirRelativePath {
    fn name(&self) -> &'static str {
        "WorkdirRelativePath"
    }

    fn description(&self) -> &'static str {
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        for step in subject.stages.iter().flat_map(|stage| &stage.steps) {
            if let (InstructionKind::Workdir(word), Some(path)) =
                (&step.instruction.kind, &step.first_workdir)
                && !path.starts_with('/')
            {
                let message = format!("relative workdir {path:?} depends on the base image");
                let help = Some(format!("write the whole path, as in /app/{path}"));
                report.add_with_help(word.span, message, help);
            }
        }
    }
}
