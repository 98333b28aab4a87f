//! SC2006: use $(…) instead of backticks.

use super::{each_part, scripts};
use crate::finding::Edit;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::{Part, Substitution};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2006",
    name: "backticks",
    severity: Severity::Style,
    summary: "Use $(…) instead of backticks",
    why: "Backticks cannot be nested, and change what a backslash means in them.",
    bad: "FROM debian:12\nRUN echo \"today: `date`\"\n",
    good: "FROM debian:12\nRUN echo \"today: $(date)\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_part(run, |part, _| {
            let Part::Command {
                style: Substitution::Backtick,
                span,
                ..
            } = part
            else {
                return;
            };
            let finding = report.add(run.place(*span), "backticks");
            finding.help("write $(…)");
            let inner = Span::new(
                span.start + 1,
                span.end.saturating_sub(1).max(span.start + 1),
            );
            let text = run.text.get(inner.start..inner.end).unwrap_or_default();
            if run.editable(*span)
                && !text.contains(['\\', '`', '#', '\''])
                && run.text[..span.end].ends_with('`')
            {
                let edit = Edit::replace(run.place(*span), format!("$({text})"));
                finding.fix("write $(…)", vec![edit]);
            }
        });
    }
}
