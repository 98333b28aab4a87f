//! DL3011: ports lie between 0 and 65535.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3011",
    name: "valid-port",
    severity: Severity::Error,
    summary: "Ports lie between 0 and 65535",
    why: "No such port exists, so nothing can be reached there.",
    bad: "FROM debian:12\nEXPOSE 80000\n",
    good: "FROM debian:12\nEXPOSE 8000\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        let InstructionKind::Expose(ports) = &instruction.kind else {
            continue;
        };
        for port in ports {
            let number = port.text.split('/').next().unwrap_or_default();
            let beyond = |part: &str| part.parse::<u64>().is_ok_and(|port| port > 65_535);
            if number.split('-').any(beyond) {
                report.add(port.span, format!("{} is no port", port.text));
            }
        }
    }
}
