//! SC1087: an element of an array needs braces.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ShellRun;
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1087",
    name: "array-braces",
    severity: Severity::Error,
    summary: "An element of an array needs braces",
    why: "`$list[0]` is `$list` and the text `[0]`.",
    bad: "FROM debian:12\nRUN echo \"$list[0]\"\n",
    good: "FROM debian:12\nRUN echo \"${list}\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            look(&word.parts, run, report);
            for part in &word.parts {
                if let Part::Double(parts, _) = part {
                    look(parts, run, report);
                }
            }
        });
    }
}

fn look(parts: &[Part], run: &ShellRun<'_>, report: &mut Report) {
    for pair in parts.windows(2) {
        if let [Part::Parameter(parameter), Part::Literal(text, _)] = pair
            && !parameter.braces
            && text.starts_with('[')
        {
            let name = &parameter.name;
            report
                .add(
                    run.place(parameter.span),
                    format!("${name}[…] is no element"),
                )
                .help(format!("write ${{{name}[…]}}"));
        }
    }
}
