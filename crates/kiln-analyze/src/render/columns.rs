//! Columns of text.

use unicode_width::UnicodeWidthStr as _;

/// Rows under a heading, padded to the widest cell.
pub(crate) struct Columns {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Columns {
    /// A heading. A name that begins with `>` heads a column of numbers, which are set to the right.
    pub(crate) fn new(heading: &[&str]) -> Self {
        let names = heading
            .iter()
            .map(|name| name.trim_start_matches('>').to_owned());
        Self {
            rows: vec![names.collect()],
            right: heading.iter().map(|name| name.starts_with('>')).collect(),
        }
    }

    /// Adds a row with as many cells as the heading.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(
            cells.len(),
            self.right.len(),
            "because a row fills its columns"
        );
        self.rows.push(cells);
    }

    /// As lines for a terminal.
    pub(crate) fn text(&self) -> String {
        let width = |column: usize| self.rows.iter().map(|row| row[column].width()).max();
        let widths: Vec<usize> = (0..self.right.len())
            .map(|c| width(c).unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&self.right) {
                let blanks = " ".repeat(width - cell.width());
                match right {
                    true => line.push_str(&format!("{blanks}{cell}  ")),
                    false => line.push_str(&format!("{cell}{blanks}  ")),
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// As a table of Markdown (GitHub Flavored Markdown, section 4.10).
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().map(|cell| super::markdown::escape(cell));
            out.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
            if number == 0 {
                let rules = self
                    .right
                    .iter()
                    .map(|right| if *right { "---:" } else { "---" });
                out.push_str(&format!("| {} |\n", rules.collect::<Vec<_>>().join(" | ")));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Columns;

    #[test]
    fn columns_line_up_and_nothing_breaks_a_table() {
        let mut columns = Columns::new(&["NAME", ">SIZE"]);
        columns.row(vec!["镜像".into(), "1 B".into()]);
        columns.row(vec!["a|b`<i>".into(), "22 B".into()]);
        assert_eq!(
            columns.text(),
            "NAME     SIZE\n镜像      1 B\na|b`<i>  22 B\n"
        );
        let markdown = columns.markdown();
        assert!(markdown.contains("| --- | ---: |"), "{markdown}");
        assert!(markdown.contains(r"| a\|b\`&lt;i> | 22 B |"), "{markdown}");
    }
}
