//! SC1000: A dollar sign that starts nothing should be escaped.

use super::{each_word, scripts, text_parts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1000",
    name: "lone-dollar",
    severity: Severity::Ignore,
    summary: "A dollar sign that starts nothing should be escaped",
    why: "`$` before a blank or a sign stands for itself, by luck. ShellCheck no longer reports it, so it is off.",
    bad: "FROM debian:12\nRUN echo \"costs $ 5\"\n",
    good: "FROM debian:12\nRUN echo \"costs \\$ 5\"\n",
    example_config: "override:\n  warning: [SC1000]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            for part in text_parts(word) {
                if let Part::Literal(_, span) = part
                    && lone(&run.text[span.start..span.end])
                {
                    report
                        .add(run.place(*span), "this $ starts no variable")
                        .help("write \\$");
                }
            }
        });
    }
}

/// Whether the text as written holds a `$` without a backslash before it.
fn lone(written: &str) -> bool {
    written
        .match_indices('$')
        .any(|(at, _)| !written[..at].ends_with('\\'))
}
