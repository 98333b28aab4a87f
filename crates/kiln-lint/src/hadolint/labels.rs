//! Labels and what the configuration wants of them.

use crate::finding::Report;
use crate::hadolint::paths;
use crate::options::LabelType;
use crate::subject::{StageView, Subject};
use kiln_dockerfile::syntax::{InstructionKind, KeyValue};

/// The labels that a stage sets, by key.
pub(super) fn of<'a>(view: &StageView<'a>) -> impl Iterator<Item = (&'a str, &'a KeyValue)> {
    let pairs = view.instructions.iter().filter_map(|one| match &one.kind {
        InstructionKind::Label(pairs) => Some(pairs),
        _ => None,
    });
    pairs
        .flatten()
        .map(|pair| (paths::unquoted(&pair.key.text), pair))
}

/// Reports labels of a type whose value does not fit.
pub(super) fn must_fit(
    subject: &Subject<'_>,
    report: &mut Report,
    kind: LabelType,
    wrong: &str,
    fits: impl Fn(&str) -> bool,
) {
    for (key, pair) in subject.views.iter().flat_map(of) {
        let wanted = subject.options.label_schema.get(key) == Some(&kind);
        let value = paths::unquoted(&pair.value.text);
        if wanted && !fits(value) {
            report.add(pair.value.span, format!("label {key:?} {wrong}: {value:?}"));
        }
    }
}

/// Whether a later stage copies from the stage at `position`: it is a means, not an image.
pub(super) fn is_source(subject: &Subject<'_>, position: usize) -> bool {
    let Some(stage) = subject.views[position].stage else {
        return false;
    };
    let later = subject.views[position + 1..]
        .iter()
        .flat_map(|view| view.instructions);
    later.into_iter().any(|one| match &one.kind {
        InstructionKind::Copy(copy) => copy
            .from
            .as_ref()
            .is_some_and(|from| stage.has_name(&from.text) || from.text.parse() == Ok(stage.index)),
        _ => false,
    })
}
