//! SC1079: this quote ends a text that goes over several lines.

use super::{each_word, scripts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ast::Part;
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC1079",
    name: "suspect-quote",
    severity: Severity::Info,
    summary: "This quote ends a text that goes over several lines",
    why: "What follows it looks like text, so that a quote is probably missing before.",
    bad: "FROM debian:12\nRUN <<EOT\necho \"one\ntwo\"three\nEOT\n",
    good: "FROM debian:12\nRUN <<EOT\necho \"one\"\necho three\nEOT\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        each_word(run, |word| {
            for pair in word.parts.windows(2) {
                if let [Part::Double(inner, span), Part::Literal(next, _)] = pair
                    && inner
                        .iter()
                        .any(|part| matches!(part, Part::Literal(text, _) if text.contains('\n')))
                    && next.starts_with(|letter: char| letter.is_ascii_alphanumeric())
                {
                    report.add(
                        run.place(Span::new(span.end - 1, span.end)),
                        "this quote closes; was it meant to open?",
                    );
                }
            }
        });
    }
}
