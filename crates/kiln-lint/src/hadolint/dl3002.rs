//! DL3002: the last USER should not be root.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3002",
    name: "last-user-root",
    severity: Severity::Warning,
    summary: "The last USER should not be root",
    why: "Whoever breaks into a container that runs as root is root in it, and one kernel bug away from the host.",
    bad: "FROM debian:12\nUSER root\n",
    good: "FROM debian:12\nUSER 1000\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let last = view
            .instructions
            .iter()
            .rev()
            .find_map(|one| match &one.kind {
                InstructionKind::User(user) => Some(user),
                _ => None,
            });
        if let Some(user) = last
            && matches!(user.text.split(':').next(), Some("root" | "0"))
        {
            report
                .add(user.span, "the last USER of the stage is root")
                .help("end with a USER that has no rights");
        }
    }
}
