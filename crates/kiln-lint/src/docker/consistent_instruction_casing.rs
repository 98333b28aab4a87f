//! `ConsistentInstructionCasing`: all instructions in upper case, or all in lower case.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::Word;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "ConsistentInstructionCasing",
    name: "consistent-instruction-casing",
    severity: Severity::Warning,
    summary: "All instructions should use the same casing (either upper or lower)",
    why: "Instructions may be written in any case; one file that mixes them is hard to read and to search.",
    bad: "FROM debian:12\nrun echo one\nRUN echo two\n",
    good: "FROM debian:12\nRUN echo one\nRUN echo two\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
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

fn is_lower(word: &Word) -> bool {
    word.text == word.text.to_ascii_lowercase()
}

fn is_upper(word: &Word) -> bool {
    word.text == word.text.to_ascii_uppercase()
}
