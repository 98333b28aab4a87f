//! SC2028: echo need not expand escapes.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Part, Word};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2028",
    name: "echo-escapes",
    severity: Severity::Info,
    summary: "echo need not expand escapes",
    why: "Some shells make a line break of `\\n` in echo, others print it; printf always does what it says.",
    bad: "FROM debian:12\nRUN echo \"one\\ntwo\"\n",
    good: "FROM debian:12\nRUN printf 'one\\ntwo\\n'\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            let [name, words @ ..] = simple.words.as_slice() else {
                return;
            };
            let flags = |word: &Word| word.plain().is_some_and(|text| text.starts_with('-'));
            if name.plain() != Some("echo") || words.first().is_some_and(flags) {
                return;
            }
            let escapes = |word: &&Word| {
                let text = word.text(&run.text);
                text.match_indices('\\').any(|(at, _)| {
                    text[at + 1..].starts_with(|next: char| "abefnrtv0".contains(next))
                }) && !word.parts.iter().all(|part| {
                    matches!(part, Part::Literal(..) | Part::Escaped('n' | 't' | 'r', _))
                })
            };
            if let Some(word) = words.iter().find(escapes) {
                report
                    .add(run.place(word.span), "echo may print this escape as it is")
                    .help("use printf");
            }
        });
    }
}
