//! `LegacyKeyValueFormat`: `ENV key value` takes the rest of the line, quotes and all.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "LegacyKeyValueFormat",
    name: "legacy-key-value-format",
    severity: Severity::Warning,
    summary: "Legacy key/value format with whitespace separator should not be used",
    why: "`ENV key value` takes the whole line as one value, which surprises whoever adds a second pair.",
    bad: "FROM debian:12\nENV LEVEL debug\n",
    good: "FROM debian:12\nENV LEVEL=debug\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.instructions() {
        let (InstructionKind::Env(pairs) | InstructionKind::Label(pairs)) = &instruction.kind
        else {
            continue;
        };
        for pair in pairs.iter().filter(|pair| pair.legacy) {
            let name = instruction.kind.name();
            let message = format!("{name} key=value should be used instead of {name} key value");
            let help = Some(format!("write {name} {}=…", pair.key.text));
            report.add_with_help(pair.key.span.to(pair.value.span), message, help);
        }
    }
}
