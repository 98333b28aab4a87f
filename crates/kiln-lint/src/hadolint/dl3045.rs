//! DL3045: COPY to a relative destination needs a WORKDIR.

use super::paths;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3045",
    name: "copy-to-known-place",
    severity: Severity::Warning,
    summary: "COPY to a relative destination needs a WORKDIR",
    why: "Without WORKDIR the files go wherever the base image happens to be.",
    bad: "FROM debian:12\nCOPY app app\n",
    good: "FROM debian:12\nWORKDIR /srv\nCOPY app app\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let parents = subject.chain(view.position).into_iter().skip(1);
        let sets =
            |one: &kiln_dockerfile::Instruction| matches!(one.kind, InstructionKind::Workdir(_));
        let mut set = parents.flat_map(|view| view.instructions).any(sets);
        for instruction in view.instructions {
            set |= sets(instruction);
            if let InstructionKind::Copy(copy) = &instruction.kind
                && !set
                && !paths::is_absolute(&copy.dest.text)
            {
                report
                    .add(
                        copy.dest.span,
                        format!("{:?} is relative, and no WORKDIR is set", copy.dest.text),
                    )
                    .help("write the whole path, or WORKDIR above");
            }
        }
    }
}
