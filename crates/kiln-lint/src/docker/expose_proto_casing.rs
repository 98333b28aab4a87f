//! `ExposeProtoCasing`: protocols are written in lower case.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "ExposeProtoCasing",
    name: "expose-proto-casing",
    severity: Severity::Warning,
    summary: "Protocol in EXPOSE instruction should be lowercase",
    why: "Protocols are written in lower case.",
    bad: "FROM debian:12\nEXPOSE 80/TCP\n",
    good: "FROM debian:12\nEXPOSE 80/tcp\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.instructions() {
        let InstructionKind::Expose(ports) = &instruction.kind else {
            continue;
        };
        for port in ports.iter().filter(|port| !port.has_variable()) {
            let Some((_, protocol)) = port.text.split_once('/') else {
                continue;
            };
            let lower = protocol.to_ascii_lowercase();
            if lower != protocol {
                let message = format!("protocol {protocol:?} should be lowercase");
                report.add_with_help(port.span, message, Some(format!("write {lower}")));
            }
        }
    }
}
