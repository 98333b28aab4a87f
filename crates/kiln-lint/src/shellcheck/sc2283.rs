//! SC2283: no spaces may stand around the equals sign.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2283",
    name: "assignment-spaces",
    severity: Severity::Error,
    summary: "No spaces may stand around the equals sign",
    why: "`x = 1` runs a program that is called x.",
    bad: "FROM debian:12\nRUN version = 1\n",
    good: "FROM debian:12\nRUN version=1; echo \"$version\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            let [name, sign, ..] = simple.words.as_slice() else {
                return;
            };
            let Some(text) = name.plain() else { return };
            let variable = text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let equals = matches!(sign.parts.first(), Some(Part::Literal(text, _)) if text.starts_with('=') && !text.starts_with("=="));
            if variable && equals {
                report
                    .add(run.place(sign.span), format!("{text} is run as a program"))
                    .help("remove the spaces around =");
            }
        });
    }
}
