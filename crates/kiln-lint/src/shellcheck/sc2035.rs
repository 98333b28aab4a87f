//! SC2035: A pattern at the beginning may become an option.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2035",
    name: "dashed-names",
    severity: Severity::Info,
    summary: "A pattern at the beginning may become an option",
    why: "A file that is called `-rf` is an option to whoever gets it from `*`.",
    bad: "FROM debian:12\nRUN rm *.tmp\n",
    good: "FROM debian:12\nRUN rm ./*.tmp\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let _ = command;
            let Some(name) = simple.name() else { return };
            if matches!(
                name.as_str(),
                "echo" | "printf" | "[" | "test" | "expr" | "let"
            ) {
                return;
            }
            for word in simple.words.iter().skip(1) {
                match word.parts.first() {
                    Some(Part::Literal(text, _)) if text == "--" => return,
                    Some(Part::Literal(text, _)) if text.starts_with(['*', '?']) => {
                        let finding = report.add(
                            run.place(word.span),
                            "a name that begins with a dash becomes an option",
                        );
                        finding.help("write ./ before it");
                    }
                    _ => {}
                }
            }
        });
    }
}
