//! DL3067: do not copy a whole file system from a stage.

use super::paths;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3067",
    name: "no-whole-stage",
    severity: Severity::Warning,
    summary: "Do not copy a whole file system from a stage",
    why: "It brings the compilers, caches and secrets of the other stage along, and loses its config.",
    bad: "FROM debian:12 AS build\nFROM debian:12\nCOPY --from=build / /\n",
    good: "FROM debian:12 AS build\nFROM debian:12\nCOPY --from=build /app /app\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        for instruction in view.instructions {
            let InstructionKind::Copy(copy) = &instruction.kind else {
                continue;
            };
            let Some(from) = &copy.from else { continue };
            let stage = from.text.parse::<usize>().is_ok()
                || subject.earlier_stage(&from.text, view.position).is_some();
            let root = |source: &&Source| matches!(source, Source::Path(path) if paths::unquoted(&path.text) == "/");
            if let Some(Source::Path(path)) = copy.sources.iter().find(root).filter(|_| stage) {
                report
                    .add(
                        path.span,
                        format!("the whole of stage {:?} is copied", from.text),
                    )
                    .help("copy what is needed, or build FROM the stage");
            }
        }
    }
}
