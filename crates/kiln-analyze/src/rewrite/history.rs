//! The history of a rewritten image: every old step stays, and steps with a layer stay as many as there
//! are layers.
//!
//! Source: OCI image specification, "config.md", property `history`: the entries without `empty_layer`
//! stand for the layers, in order.

use std::ops::Range;

use kiln_oci::{History, ImageConfig};

/// The remark on steps of layers that the history did not know.
const UNKNOWN: &str = "the history did not say how this layer was made";

/// The history with exactly one step for each layer. One that names another number of layers cannot be
/// trusted: its steps stay as remarks, and the layers get steps of their own.
pub(super) fn aligned(config: &ImageConfig) -> Vec<History> {
    let layers = config.rootfs.diff_ids.len();
    let mut history = config.history.clone();
    let named = history.iter().filter(|step| !step.empty_layer).count();
    if named == layers {
        return history;
    }
    for step in &mut history {
        step.empty_layer = true;
    }
    history.extend((0..layers).map(|_| History {
        created: config.created.clone(),
        comment: Some(UNKNOWN.to_owned()),
        ..History::default()
    }));
    history
}

/// The history in which one step, made by `by`, stands for the layers of `range`, which keep their steps
/// without a layer. `history` is aligned, and the range is not empty.
pub(super) fn merged(
    history: Vec<History>,
    range: &Range<usize>,
    by: &str,
    created: Option<&String>,
) -> Vec<History> {
    let mut new = Vec::with_capacity(history.len() + 1);
    let mut layer = 0;
    for mut step in history {
        let is_inside = !step.empty_layer && range.contains(&layer);
        let is_last = is_inside && layer + 1 == range.end;
        layer += usize::from(!step.empty_layer);
        step.empty_layer |= is_inside;
        new.push(step);
        if is_last {
            new.push(History {
                created: created.cloned(),
                created_by: Some(by.to_owned()),
                ..History::default()
            });
        }
    }
    new
}

/// Where the steps that come after the first `layers` layers begin: behind the step of the last of them,
/// and behind the layerless steps in which both histories agree.
pub(super) fn split(history: &[History], below: &[History], layers: usize) -> usize {
    let common = history.iter().zip(below).take_while(|(a, b)| a == b);
    let common = common.count();
    let counted = |steps: &[History]| steps.iter().filter(|step| !step.empty_layer).count();
    if common == below.len() && counted(&history[..common]) == layers {
        return common;
    }
    // The histories tell it differently; the layers decide.
    let mut seen = 0;
    for (at, step) in history.iter().enumerate() {
        if seen == layers {
            return at;
        }
        seen += usize::from(!step.empty_layer);
    }
    history.len()
}

#[cfg(test)]
mod tests {
    use kiln_oci::Platform;

    use super::*;

    /// One letter for each step; capitals have a layer.
    fn steps(letters: &str) -> Vec<History> {
        let step = |letter: char| History {
            created_by: Some(letter.to_string()),
            empty_layer: letter.is_lowercase(),
            ..History::default()
        };
        letters.chars().map(step).collect()
    }

    fn letters(history: &[History]) -> String {
        let letter = |step: &History| {
            let by = step.created_by.clone().unwrap_or_else(|| "?".to_owned());
            match step.empty_layer {
                true => by.to_lowercase(),
                false => by,
            }
        };
        history.iter().map(letter).collect()
    }

    #[test]
    fn one_step_stands_for_the_range() {
        let new = merged(steps("AbCDeF"), &(1..3), "S", None);
        assert_eq!(letters(&new), "AbcdSeF");
        assert_eq!(letters(&merged(steps("aBc"), &(0..1), "S", None)), "abSc");
    }

    #[test]
    fn a_history_that_lies_becomes_remarks() {
        let mut config = ImageConfig::scratch(Platform::host());
        config.history = steps("AB");
        let digest = kiln_oci::Digest::sha256(b"");
        config.rootfs.diff_ids = vec![digest; 3];
        assert_eq!(letters(&aligned(&config)), "ab???");
        config.rootfs.diff_ids.truncate(2);
        assert_eq!(letters(&aligned(&config)), "AB");
    }

    #[test]
    fn own_steps_begin_behind_the_base() {
        assert_eq!(split(&steps("AbcDe"), &steps("Abc"), 1), 3);
        // The base was told differently: its layers decide.
        assert_eq!(split(&steps("AbCDe"), &steps("xAC"), 2), 3);
        assert_eq!(split(&steps("A"), &steps("A"), 1), 1);
    }
}
