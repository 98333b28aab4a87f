//! SC2086: quote variables, so that they are not split.

use super::variables::Variables;
use super::{each_split_part, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2086",
    name: "quote-variable",
    severity: Severity::Info,
    summary: "Quote variables, so that they are not split",
    why: "A blank in the value makes several words of it, and a star becomes names of files.",
    bad: "FROM debian:12\nRUN rm -rf $target\n",
    good: "FROM debian:12\nRUN rm -rf \"$target\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let variables = Variables::of(run);
        each_split_part(run, |part| {
            let Part::Parameter(parameter) = part else {
                return;
            };
            let name = parameter.name.as_str();
            let number = matches!(name, "?" | "#" | "$" | "!" | "-" | "@") || parameter.length;
            let alternative = parameter.operator.ends_with('+');
            if number
                || alternative
                || parameter.index.as_deref() == Some("@")
                || variables.never_splits(name, run)
            {
                return;
            }
            let finding = report.add(
                run.place(parameter.span),
                format!("the value of {name} is split into words"),
            );
            finding.help("put double quotes around it");
        });
    }
}
