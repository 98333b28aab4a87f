//! `LegacyKeyValueFormat`: `ENV key value` takes the rest of the line, quotes and all.

use super::{Report, Rule, Subject};
use crate::syntax::InstructionKind;

/// See the module.
pub(super) struct LegacyKeyValueFormat;

impl Rule for LegacyKeyValueFormat {
    fn name(&self) -> &'static str {
        "LegacyKeyValueFormat"
    }

    fn description(&self) -> &'static str {
        "Legacy key/value format with whitespace separator should not be used"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        for instruction in subject.instructions() {
            let (InstructionKind::Env(pairs) | InstructionKind::Label(pairs)) = &instruction.kind
            else {
                continue;
            };
            for pair in pairs.iter().filter(|pair| pair.legacy) {
                let name = instruction.kind.name();
                let message =
                    format!("{name} key=value should be used instead of {name} key value");
                let help = Some(format!("write {name} {}=…", pair.key.text));
                report.add_with_help(pair.key.span.to(pair.value.span), message, help);
            }
        }
    }
}
