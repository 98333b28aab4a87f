//! DL3066: USER should be a number.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3066",
    name: "numeric-user",
    severity: Severity::Info,
    summary: "USER should be a number",
    why: "Kubernetes cannot see whether a name is root (`runAsNonRoot`), and the name may stand for another number in another image.",
    bad: "FROM debian:12\nUSER nobody\n",
    good: "FROM debian:12\nUSER 65534\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        if let InstructionKind::User(user) = &instruction.kind {
            let name = user.text.split(':').next().unwrap_or_default();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_digit()) {
                report.add(user.span, format!("{name:?} is a name and not a number"));
            }
        }
    }
}
