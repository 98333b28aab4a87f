//! DL3000: WORKDIR should be absolute.

use super::paths;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3000",
    name: "absolute-workdir",
    severity: Severity::Error,
    summary: "WORKDIR should be absolute",
    why: "A relative WORKDIR depends on the one before, which may stand in the base image and change with it.",
    bad: "FROM debian:12\nWORKDIR app\n",
    good: "FROM debian:12\nWORKDIR /app\n",
    same: &["WorkdirRelativePath"],
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        if let InstructionKind::Workdir(path) = &instruction.kind
            && !paths::is_absolute(&path.text)
        {
            report
                .add(path.span, format!("WORKDIR {:?} is relative", path.text))
                .help("begin it with /");
        }
    }
}
