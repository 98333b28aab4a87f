//! How long things took, in buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::text::Text;

/// Upper ends in microseconds: dense where manifests and heads are, sparse where layers are.
const BUCKETS: [u64; 14] = [
    250,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
];

/// Counts of durations. Adding is two atomic additions.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One for each bucket, and one for what is longer than all.
    counts: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|end| *end < micros);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(micros, Ordering::Relaxed);
    }

    /// Writes the series of this histogram, unless nothing was observed.
    pub(crate) fn write(&self, text: &mut Text, name: &str, label: (&str, &str)) {
        let mut below = 0;
        let mut lines = vec![];
        for (count, end) in self.counts.iter().zip(BUCKETS) {
            below += count.load(Ordering::Relaxed);
            lines.push((format!("{}", end as f64 / 1e6), below));
        }
        let all = below + self.counts[BUCKETS.len()].load(Ordering::Relaxed);
        if all == 0 {
            return;
        }
        lines.push(("+Inf".to_owned(), all));
        let bucket = format!("{name}_bucket");
        for (end, count) in lines {
            text.series(&bucket, &[label, ("le", &end)], count as f64);
        }
        let sum = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        text.series(&format!("{name}_sum"), &[label], sum);
        text.series(&format!("{name}_count"), &[label], all as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let histogram = Histogram::default();
        for micros in [1, 250, 251, 10_000_000, 900_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut text = Text::default();
        histogram.write(&mut text, "x", ("a", "b"));
        let text = text.finish();
        for line in [
            "x_bucket{a=\"b\",le=\"0.00025\"} 2",
            "x_bucket{a=\"b\",le=\"0.0005\"} 3",
            "x_bucket{a=\"b\",le=\"5\"} 3",
            "x_bucket{a=\"b\",le=\"30\"} 4",
            "x_bucket{a=\"b\",le=\"+Inf\"} 5",
            "x_sum{a=\"b\"} 910.000502",
            "x_count{a=\"b\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
