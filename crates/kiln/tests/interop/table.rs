//! A Markdown table with even columns.

use std::fmt;

/// Writes `lines`, of which the first is the head.
pub(crate) fn write<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    lines: &[[String; N]],
) -> fmt::Result {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    writeln!(f)?;
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            write!(f, "| {cell:<width$} ")?;
        }
        writeln!(f, "|")?;
        if number == 0 {
            for width in widths {
                write!(f, "| {} ", "-".repeat(width))?;
            }
            writeln!(f, "|")?;
        }
    }
    Ok(())
}
