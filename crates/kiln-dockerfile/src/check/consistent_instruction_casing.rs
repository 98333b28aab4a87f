//! `ConsistentInstructionCasing`: all instructions in upper case, or all in lower case.

use super::{Report, Rule, Subject};
use crate::syntax::Word;

/// See the module.
pub(super) struct ConsistentInstructionCasing;

impl Rule for ConsistentInstructionCasing {
    fn name(&self) -> &'static str {
        "ConsistentInstructionCasing"
    }

    fn description(&self) -> &'static str {
        "All instructions should use the same casing (either upper or lower)"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
        let keywords: Vec<&Word> = subject
            .file
            .stages
            .iter()
            .flat_map(|stage| {
                let own = std::iter::once(&stage.from.keyword);
                own.chain(stage.instructions.iter().map(|step| &step.keyword))
            })
            .collect();
        let lower = keywords.iter().filter(|word| is_lower(word)).count();
        let upper = keywords.iter().filter(|word| is_upper(word)).count();
        for word in keywords {
            let (fine, wanted) = match lower > upper {
                true => (is_lower(word), "lowercase"),
                false => (is_upper(word), "uppercase"),
            };
            if !fine {
                let message = format!(
                    "{:?} should match the casing of most instructions ({wanted})",
                    word.text
                );
                report.add(word.span, message);
            }
        }
    }
}

fn is_lower(word: &Word) -> bool {
    word.text == word.text.to_ascii_lowercase()
}

fn is_upper(word: &Word) -> bool {
    word.text == word.text.to_ascii_uppercase()
}
