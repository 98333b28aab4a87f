//! DL4001: use either wget or curl.

use super::commands;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL4001",
    name: "wget-or-curl",
    severity: Severity::Warning,
    summary: "Use either wget or curl",
    why: "One of them is enough, and the other one is a package less.",
    bad: "FROM debian:12\nRUN wget -q https://example.com/a\nRUN curl -fsSLO https://example.com/b\n",
    good: "FROM debian:12\nRUN curl -fsSLO https://example.com/a\nRUN curl -fsSLO https://example.com/b\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let (mut wget, mut curl) = (false, false);
        let mut told = None;
        for (run, command) in commands(subject).filter(|(run, _)| run.view == view.position) {
            wget |= command.is(&["wget"]);
            curl |= command.is(&["curl"]);
            let again = told == Some(run.position);
            if wget && curl && command.is(&["wget", "curl"]) && !again {
                report.add(run.place(command.span), "both wget and curl are used");
                told = Some(run.position);
            }
        }
    }
}
