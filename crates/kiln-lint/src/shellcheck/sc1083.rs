//! SC1083: this brace is just a character.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1083",
    name: "literal-brace",
    severity: Severity::Warning,
    summary: "This brace is just a character",
    why: "A group needs blanks and semicolons, an expansion needs a comma or two dots; here neither is.",
    bad: "FROM debian:12\nRUN echo a{b}\n",
    good: "FROM debian:12\nRUN echo \"a{b}\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            for word in simple.words.iter().skip(1) {
                for part in &word.parts {
                    let Part::Literal(text, span) = part else {
                        continue;
                    };
                    let expands = text.contains('{')
                        && (text.contains(',') || text.contains("..") || word.parts.len() > 1);
                    if text.contains(['{', '}']) && !expands && !text.contains("{}") {
                        report
                            .add(run.place(*span), "this brace is literal")
                            .help("quote it if it is meant");
                        return;
                    }
                }
            }
        });
    }
}
