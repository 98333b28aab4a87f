//! DL3054: A label of type spdx must be a licence of the SPDX list.

use super::labels;
use super::spdx;
use crate::finding::Report;
use crate::options::LabelType;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3054",
    name: "label-licence",
    severity: Severity::Warning,
    summary: "A label of type spdx must be a licence of the SPDX list",
    why: "The configuration asks for a licence by the identifier that tools know.",
    bad: "FROM debian:12\nLABEL licenses=free\n",
    good: "FROM debian:12\nLABEL licenses=Apache-2.0\n",
    example_config: "label-schema:\n  licenses: spdx\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    labels::must_fit(
        subject,
        report,
        LabelType::Spdx,
        "is no identifier of the SPDX list",
        spdx::is_known,
    );
}
