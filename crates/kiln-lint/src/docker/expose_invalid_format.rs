//! `ExposeInvalidFormat`: an image cannot say on which address or port of the host it is to be reached.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "ExposeInvalidFormat",
    name: "expose-invalid-format",
    severity: Severity::Warning,
    summary: "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
    why: "EXPOSE names a port of the container. An address or a port of the host belongs to `docker run -p`.",
    bad: "FROM debian:12\nEXPOSE 127.0.0.1:80:80\n",
    good: "FROM debian:12\nEXPOSE 80\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.instructions() {
        let InstructionKind::Expose(ports) = &instruction.kind else {
            continue;
        };
        for port in ports.iter().filter(|port| !port.has_variable()) {
            if let Some((_, container)) = port.text.rsplit_once(':') {
                let message = format!(
                    "EXPOSE {:?} names an address or port of the host",
                    port.text
                );
                report.add_with_help(port.span, message, Some(format!("write {container}")));
            }
        }
    }
}
