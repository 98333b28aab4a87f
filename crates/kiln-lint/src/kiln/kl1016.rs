//! KL1016: A step should give the same result tomorrow.

use crate::finding::Report;
use crate::hadolint::commands;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1016",
    name: "depends-on-the-clock",
    severity: Severity::Style,
    summary: "A step should give the same result tomorrow",
    why: "A time in a layer makes every build another image: nothing that lies above it can be shared, and nobody can build it again to compare. `SOURCE_DATE_EPOCH` is the time that a build may use.",
    bad: "FROM debian:12\nRUN date > /build-time\n",
    good: "FROM debian:12\nARG SOURCE_DATE_EPOCH\nRUN date -d \"@$SOURCE_DATE_EPOCH\" > /build-time\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let fixed = command.has_flag(&["d", "date", "r", "reference"]);
        if command.is(&["date"]) && !fixed {
            report
                .add(
                    run.place(command.span),
                    "the time of the build gets into the image",
                )
                .help("use ARG SOURCE_DATE_EPOCH");
        }
    }
}
