//! `WorkdirRelativePath`: the first relative WORKDIR depends on what the base image has set.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "WorkdirRelativePath",
    name: "workdir-relative-path",
    severity: Severity::Warning,
    summary: "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    why: "A relative WORKDIR depends on what the base image has set, and changes its meaning with it.",
    bad: "FROM debian:12\nWORKDIR app\n",
    good: "FROM debian:12\nWORKDIR /app\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
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
