//! `MaintainerDeprecated`: a label says the same and is inherited.

use super::{Report, Rule, Subject};
use crate::syntax::InstructionKind;

/// See the module.
pub(super) struct MaintainerDeprecated;

impl Rule for MaintainerDeprecated {
    fn name(&self) -> &'static str {
        "MaintainerDeprecated"
    }

    fn description(&self) -> &'static str {
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        for instruction in subject.instructions() {
            if let InstructionKind::Maintainer(name) = &instruction.kind {
                let help = format!(
                    "write LABEL org.opencontainers.image.authors={:?}",
                    name.text
                );
                let message = "MAINTAINER is deprecated";
                report.add_with_help(instruction.keyword.span, message, Some(help));
            }
        }
    }
}
