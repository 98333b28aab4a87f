//! `ExposeProtoCasing`: protocols are written in lower case.

use super::{Report, Rule, Subject};
use crate::syntax::InstructionKind;

/// See the module.
pub(super) struct ExposeProtoCasing;

impl Rule for ExposeProtoCasing {
    fn name(&self) -> &'static str {
        "ExposeProtoCasing"
    }

    fn description(&self) -> &'static str {
        "Protocol in EXPOSE instruction should be lowercase"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
}
