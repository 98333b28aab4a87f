//! Differences between kiln and BuildKit that are meant, each with its reason. One that no longer
//! occurs fails, so that this list stays true.

use crate::compare::Difference;

/// Stands for any case.
pub(crate) const EVERY: &str = "*";

/// A difference that is meant.
#[derive(Debug)]
pub(crate) struct Known {
    /// The case, or [`EVERY`].
    pub(crate) case: &'static str,
    /// Where, as in [`Difference::place`]; a `*` at the end stands for anything.
    pub(crate) place: &'static str,
    /// Why.
    pub(crate) reason: &'static str,
}

/// All of them.
pub(crate) const KNOWN: &[Known] = &[];

/// Why `difference` is meant, if it is.
pub(crate) fn explain(case: &str, difference: &Difference) -> Option<&'static Known> {
    KNOWN.iter().find(|known| {
        let place = match known.place.strip_suffix('*') {
            Some(begin) => difference.place.starts_with(begin),
            None => difference.place == known.place,
        };
        place && (known.case == EVERY || known.case == case)
    })
}
