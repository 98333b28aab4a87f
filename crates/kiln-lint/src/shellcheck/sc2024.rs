//! SC2024: sudo does not affect redirections.

use super::{each_simple, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Redirect;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2024",
    name: "sudo-redirect",
    severity: Severity::Warning,
    summary: "sudo does not affect redirections",
    why: "The file is opened by the shell, before sudo runs.",
    bad: "FROM debian:12\nRUN sudo echo a > /etc/b\n",
    good: "FROM debian:12\nRUN echo a > /etc/b\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_simple(run, |simple, command| {
            let sudo = simple.words.first().and_then(|word| word.plain()) == Some("sudo");
            let writes = |one: &&Redirect| {
                matches!(one.operator.as_str(), ">" | ">>" | "<")
                    && one.target.plain().is_none_or(|file| file != "/dev/null")
            };
            if sudo && let Some(redirect) = command.redirects.iter().find(writes) {
                report.add(
                    run.place(redirect.span),
                    "the shell opens this file, not sudo",
                );
            }
        });
    }
}
