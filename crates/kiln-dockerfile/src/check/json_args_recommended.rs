//! `JSONArgsRecommended`: the shell form puts a shell between the process and its signals. An explicit `SHELL` says that this is meant.

use super::{Report, Rule, Subject};
use crate::syntax::{CommandLine, InstructionKind};

/// See the module.
pub(super) struct JsonArgsRecommended;

impl Rule for JsonArgsRecommended {
    fn name(&self) -> &'static str {
        "JSONArgsRecommended"
    }

    fn description(&self) -> &'static str {
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        for step in subject.stages.iter().flat_map(|stage| &stage.steps) {
            let (InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command)) =
                &step.instruction.kind
            else {
                continue;
            };
            if matches!(command, CommandLine::Shell(_)) && !step.has_shell {
                let name = step.instruction.kind.name();
                let message = format!("JSON arguments recommended for {name}");
                let help = format!("write {name} [\"program\", \"argument\"]");
                report.add_with_help(step.instruction.keyword.span, message, Some(help));
            }
        }
    }
}
