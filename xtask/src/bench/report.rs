//! What came out, as a table that reads well in a terminal and is Markdown too.

use std::fmt;

use super::measure::Sample;

/// All samples of a benchmark.
pub(crate) struct Report {
    /// What was measured.
    pub(crate) title: String,
    /// On which machine.
    pub(crate) machine: String,
    /// Contenders in the order in which they took turns, each with its samples.
    pub(crate) rows: Vec<(String, Vec<Sample>)>,
    /// For each contender the bytes that it wrote, where that is of interest.
    pub(crate) written: Vec<Option<u64>>,
}

/// The middle value; of an even number the mean of the two in the middle. Zero for none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let walls = |samples: &[Sample]| -> Vec<f64> {
            samples
                .iter()
                .map(|sample| sample.wall.as_secs_f64())
                .collect()
        };
        let first = self.rows.first();
        let first_name = first.map_or("first", |(name, _)| name.as_str());
        let first_median = first.map_or(0.0, |(_, samples)| median(walls(samples)));
        let mut table = vec![vec![
            "contender".to_owned(),
            "median s".to_owned(),
            "min s".to_owned(),
            "max s".to_owned(),
            "cpu s".to_owned(),
            "peak MiB".to_owned(),
            format!("{first_name} ÷ this"),
        ]];
        let sizes = self.written.iter().any(Option::is_some);
        if sizes {
            table[0].push("MB written".to_owned());
        }
        for (row, (name, samples)) in self.rows.iter().enumerate() {
            let walls = walls(samples);
            let middle = median(walls.clone());
            let cpu = median(
                samples
                    .iter()
                    .map(|sample| sample.cpu.as_secs_f64())
                    .collect(),
            );
            let peak = samples.iter().map(|sample| sample.peak).max().unwrap_or(0);
            table.push(vec![
                name.clone(),
                format!("{middle:.3}"),
                format!(
                    "{:.3}",
                    walls.iter().copied().reduce(f64::min).unwrap_or(0.0)
                ),
                format!(
                    "{:.3}",
                    walls.iter().copied().reduce(f64::max).unwrap_or(0.0)
                ),
                format!("{cpu:.2}"),
                format!("{:.1}", peak as f64 / 1_048_576.0),
                if middle > 0.0 {
                    format!("{:.2}", first_median / middle)
                } else {
                    "–".to_owned()
                },
            ]);
            if sizes {
                let written = self.written.get(row).copied().flatten();
                let shown = written.map(|bytes| format!("{:.1}", bytes as f64 / 1e6));
                table[row + 1].push(shown.unwrap_or("–".to_owned()));
            }
        }
        let rounds = first.map_or(0, |(_, samples)| samples.len());
        writeln!(f, "### {}\n", self.title)?;
        writeln!(f, "{}. Medians of {rounds} rounds in turn.\n", self.machine)?;
        write_table(f, &table)
    }
}

/// Writes rows as a Markdown table with even columns; the first column to the left, the others,
/// numbers, to the right.
pub(super) fn write_table(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        })
        .collect();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column == 0 {
                write!(f, "| {cell:<width$} ")?;
            } else {
                write!(f, "| {cell:>width$} ")?;
            }
        }
        writeln!(f, "|")?;
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let line = "-".repeat(width - usize::from(column > 0));
                write!(f, "| {line}{} ", if column > 0 { ":" } else { "" })?;
            }
            writeln!(f, "|")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn the_table_holds_medians_and_the_ratio() {
        let sample = |millis, mib: u64| Sample {
            wall: Duration::from_millis(millis),
            cpu: Duration::from_millis(millis / 2),
            peak: mib << 20,
        };
        let report = Report {
            title: "build".to_owned(),
            machine: "a machine".to_owned(),
            rows: vec![
                (
                    "kiln".to_owned(),
                    vec![sample(100, 5), sample(300, 7), sample(200, 6)],
                ),
                ("peer".to_owned(), vec![sample(800, 100)]),
            ],
            written: vec![Some(2_500_000), None],
        };
        let expected = "\
### build

a machine. Medians of 3 rounds in turn.

| contender | median s | min s | max s | cpu s | peak MiB | kiln ÷ this | MB written |
| --------- | -------: | ----: | ----: | ----: | -------: | ----------: | ---------: |
| kiln      |    0.200 | 0.100 | 0.300 |  0.10 |      7.0 |        1.00 |        2.5 |
| peer      |    0.800 | 0.800 | 0.800 |  0.40 |    100.0 |        0.25 |          – |
";
        assert_eq!(report.to_string(), expected);
    }
}
