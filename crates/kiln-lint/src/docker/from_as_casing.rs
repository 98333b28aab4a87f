//! `FromAsCasing`: `FROM … AS` and `from … as`, but not one of each.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "FromAsCasing",
    name: "from-as-casing",
    severity: Severity::Warning,
    summary: "The 'as' keyword should match the case of the 'from' keyword",
    why: "FROM and AS belong together; one in capitals and the other not looks like a slip.",
    bad: "FROM debian:12 as build\n",
    good: "FROM debian:12 AS build\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for stage in &subject.file.stages {
        let Some(keyword) = &stage.from.as_keyword else {
            continue;
        };
        let lower = stage.from.keyword.text == stage.from.keyword.text.to_ascii_lowercase();
        let wanted = if lower { "as" } else { "AS" };
        if keyword.text != wanted {
            let from = &stage.from.keyword.text;
            let message = format!("the casing of {:?} does not match {from:?}", keyword.text);
            report.add_with_help(keyword.span, message, Some(format!("write {wanted}")));
        }
    }
}
