//! `ExposeInvalidFormat`: an image cannot say on which address or port of the host it is to be reached.

use super::{Report, Rule, Subject};
use crate::syntax::InstructionKind;

/// See the module.
pub(super) struct ExposeInvalidFormat;

impl Rule for ExposeInvalidFormat {
    fn name(&self) -> &'static str {
        "ExposeInvalidFormat"
    }

    fn description(&self) -> &'static str {
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
}
