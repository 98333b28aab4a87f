//! SC2046: quote substitutions, so that they are not split.

use super::{each_split_part, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Part, Substitution};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2046",
    name: "quote-substitution",
    severity: Severity::Warning,
    summary: "Quote substitutions, so that they are not split",
    why: "What the command prints becomes several words, and patterns in it become names of files.",
    bad: "FROM debian:12\nRUN chown \"$(id -u)\" $(cat list)\n",
    good: "FROM debian:12\nRUN chown \"$(id -u)\" \"$(cat list)\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_split_part(run, |part| {
            if let Part::Command { span, style, .. } = part
                && *style != Substitution::Process
            {
                report
                    .add(run.place(*span), "what this prints is split into words")
                    .help("put double quotes around it");
            }
        });
    }
}
