//! What could be saved, gathered by cause and place.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kiln_layer::IndexEntry;

use super::{Amount, CauseTotal, Example, FileSize, Finding};
use crate::cause::{Cause, Language};
use crate::subject::Subject;

/// How many paths a finding names.
const EXAMPLES: usize = 5;

/// Bytes of a tar header and of the blocks that content is padded to (POSIX.1-2017, pax, "ustar
/// Interchange Format").
const BLOCK: u64 = 512;

/// Everything that was found so far.
pub(super) struct Findings<'a> {
    subject: &'a Subject,
    found: BTreeMap<(Cause, usize, usize), (Finding, Top<Example>)>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        Self {
            subject,
            found: BTreeMap::new(),
        }
    }

    /// Adds the file `indexed`, which the first layer of `place` stores and for which the second is to
    /// blame. `path` is where it is, or was.
    pub(super) fn add(
        &mut self,
        cause: Cause,
        place: (usize, usize),
        indexed: &IndexEntry,
        path: &[u8],
        same_as: Option<&[u8]>,
    ) {
        let (layer, by) = place;
        let step = || self.subject.layers[by].step.clone();
        let (finding, examples) = self.found.entry((cause, layer, by)).or_insert_with(|| {
            let step = step();
            let finding = Finding {
                cause,
                layer,
                by,
                fix: cause.fix_for(step.as_deref(), Language::English),
                step,
                amount: Amount::default(),
                examples: vec![],
            };
            (finding, Top::new(EXAMPLES))
        });
        let bytes = indexed.stored_size();
        finding.amount.add(Amount {
            files: 1,
            bytes,
            compressed: about_compressed(self.subject, layer, bytes),
        });
        let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        examples.offer(bytes, || Example {
            path: text(path),
            bytes,
            same_as: same_as.map(text),
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.found.values().map(|(finding, _)| finding)
    }

    /// The sums, in the order of the causes.
    pub(super) fn by_cause(&self) -> Vec<CauseTotal> {
        let mut totals: BTreeMap<Cause, Amount> = BTreeMap::new();
        for finding in self.iter() {
            totals.entry(finding.cause).or_default().add(finding.amount);
        }
        let totals = totals.into_iter().map(|(cause, amount)| CauseTotal {
            cause,
            waste: cause.is_waste(),
            amount,
        });
        totals.collect()
    }

    /// All findings, the most bytes first.
    pub(super) fn list(self) -> Vec<Finding> {
        let found = self.found.into_values();
        let mut list: Vec<Finding> = found
            .map(|(finding, examples)| Finding {
                examples: examples.list(),
                ..finding
            })
            .collect();
        list.sort_by_key(|finding| Reverse((finding.amount.bytes, finding.amount.files)));
        list
    }
}

/// The part of a layer's blob that goes with its part of the archive.
fn about_compressed(subject: &Subject, layer: usize, bytes: u64) -> u64 {
    let layer = &subject.layers[layer];
    let in_archive = BLOCK + bytes.next_multiple_of(BLOCK);
    let part = u128::from(layer.blob) * u128::from(in_archive);
    let part = part / u128::from(layer.index.size.max(1));
    u64::try_from(part).unwrap_or(u64::MAX).min(layer.blob)
}

/// The few largest of many.
pub(super) struct Top<T> {
    most: usize,
    /// The largest first; of equal ones the first that came.
    kept: Vec<(u64, T)>,
}

impl<T> Top<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            kept: Vec::new(),
        }
    }

    /// Offers one, which is only made if it is among the largest so far.
    pub(super) fn offer(&mut self, size: u64, make: impl FnOnce() -> T) {
        let place = self.kept.partition_point(|(kept, _)| *kept >= size);
        if place < self.most {
            self.kept.insert(place, (size, make()));
            self.kept.truncate(self.most);
        }
    }

    pub(super) fn list(self) -> Vec<T> {
        self.kept.into_iter().map(|(_, one)| one).collect()
    }
}

/// The largest files.
pub(super) type Largest = Top<FileSize>;

#[cfg(test)]
mod tests {
    use super::Top;

    #[test]
    fn the_largest_are_kept_in_order() {
        let mut top = Top::new(3);
        for size in [2, 9, 1, 9, 5, 5, 3] {
            top.offer(size, || size);
        }
        assert_eq!(top.list(), [9, 9, 5]);
        let mut none = Top::new(0);
        none.offer(1, || panic!("because nothing is kept"));
        assert!(none.list().is_empty());
    }
}
