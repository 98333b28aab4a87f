//! SC2068: quote $@, so that the arguments stay what they are.

use super::{each_split_part, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2068",
    name: "quote-all-arguments",
    severity: Severity::Error,
    summary: "Quote $@, so that the arguments stay what they are",
    why: "Without quotes, arguments with blanks become several.",
    bad: "FROM debian:12\nRUN set -- \"a b\"; ls $@\n",
    good: "FROM debian:12\nRUN set -- \"a b\"; ls \"$@\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_split_part(run, |part| {
            if let Part::Parameter(parameter) = part
                && (parameter.name == "@" || parameter.index.as_deref() == Some("@"))
                && !parameter.length
            {
                report
                    .add(run.place(parameter.span), "the arguments are split again")
                    .help("write \"$@\"");
            }
        });
    }
}
