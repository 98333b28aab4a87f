//! DL1001: rules should not be ignored in the file.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL1001",
    name: "no-inline-ignore",
    severity: Severity::Ignore,
    summary: "Rules should not be ignored in the file",
    why: "For those who want all exceptions in one configuration, where they can be reviewed. Off unless it is given a severity.",
    bad: "FROM debian:12\n# hadolint ignore=DL3025\nCMD sleep 60\n",
    good: "FROM debian:12\nCMD [\"sleep\", \"60\"]\n",
    example_config: "override:\n  warning: [DL1001]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for span in &subject.pragmas.ignores {
        report
            .add(*span, "a rule is ignored here")
            .help("put the exception into .hadolint.yaml or kiln-lint.toml");
    }
}
