//! DL3022: COPY --from should name an earlier stage.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3022",
    name: "copy-from-known",
    severity: Severity::Warning,
    summary: "COPY --from should name an earlier stage",
    why: "A name that is no stage is taken for an image and pulled from a registry: a slip becomes somebody else's files.",
    bad: "FROM debian:12 AS build\nFROM debian:12\nCOPY --from=biuld /app /app\n",
    good: "FROM debian:12 AS build\nFROM debian:12\nCOPY --from=build /app /app\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let index = view.stage.map_or(0, |stage| stage.index);
        for instruction in view.instructions {
            let InstructionKind::Copy(copy) = &instruction.kind else {
                continue;
            };
            let Some(from) = copy.from.as_ref().filter(|from| !from.text.contains(':')) else {
                continue;
            };
            // What copies from itself is told by DL3023.
            let known = match from.text.parse::<usize>() {
                Ok(number) => number < index,
                Err(_) => {
                    view.stage.is_some_and(|stage| stage.has_name(&from.text))
                        || subject.earlier_stage(&from.text, view.position).is_some()
                }
            };
            if !known {
                report
                    .add(
                        from.span,
                        format!("no earlier stage is called {:?}", from.text),
                    )
                    .help("name a stage above, or an image with its tag");
            }
        }
    }
}
