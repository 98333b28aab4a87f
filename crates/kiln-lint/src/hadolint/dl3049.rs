//! DL3049: labels that the configuration asks for must be there.

use super::labels;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3049",
    name: "label-missing",
    severity: Severity::Info,
    summary: "Labels that the configuration asks for must be there",
    why: "What the labels are for, an inventory or an update, does not find the image without them.",
    bad: "FROM debian:12\nRUN true\n",
    good: "FROM debian:12\nLABEL version=1\n",
    example_config: "label-schema:\n  version: text\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let stages = &subject.views;
    for view in stages.iter().filter(|view| view.stage.is_some()) {
        // Who builds on this stage may still set them.
        let extended = stages[view.position + 1..].iter().any(|later| {
            subject
                .chain(later.position)
                .iter()
                .any(|base| base.position == view.position)
        });
        let copied_from = labels::is_source(subject, view.position);
        if extended || copied_from {
            continue;
        }
        let chain = subject.chain(view.position);
        for key in subject.options.label_schema.keys() {
            let set = chain
                .iter()
                .flat_map(|view| labels::of(view))
                .any(|(name, _)| name == key);
            if !set {
                report.add(view.span(), format!("label {key:?} is missing"));
            }
        }
    }
}
