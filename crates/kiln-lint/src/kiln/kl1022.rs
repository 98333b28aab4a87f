//! KL1022: every stage should be used.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::plan::Origin;
use std::collections::BTreeSet;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1022",
    name: "unused-stage",
    severity: Severity::Info,
    summary: "Every stage should be used",
    why: "A stage that the last one does not reach is built by nobody, unless somebody asks for it by name with --target. Mostly its name was misspelt elsewhere.",
    bad: "FROM debian:12 AS build\nRUN make\nFROM debian:12\nCOPY app /app\n",
    good: "FROM debian:12 AS build\nRUN make\nFROM debian:12\nCOPY --from=build /app /app\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(last) = subject.stages.last() else {
        return;
    };
    let mut reached = BTreeSet::from([last.planned.index]);
    for stage in subject.stages.iter().rev() {
        if reached.contains(&stage.planned.index) {
            reached.extend(&stage.planned.deps);
            if let Origin::Stage(base) = stage.planned.base {
                reached.insert(base);
            }
        }
    }
    for stage in &subject.stages {
        if !reached.contains(&stage.planned.index) {
            report
                .add(stage.planned.span, "the last stage does not need this one")
                .help("copy from it, build it with --target, or remove it");
        }
    }
}
