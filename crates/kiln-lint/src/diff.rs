//! The difference of two texts, as `diff -u` shows it.

/// Lines shown before and after a change.
const AROUND: usize = 3;

/// More cells than this, and everything that differs is shown as one change.
const CELLS: usize = 4_000_000;

/// One line of the difference.
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The unified difference; empty if the texts are equal.
pub fn unified(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let lines = lines(&old, &new);
    let mut out = format!("--- {name}\n+++ {name}\n");
    for (start, end) in hunks(&lines) {
        let count = |keep: fn(&Line<'_>) -> bool, part: &[Line<'_>]| {
            part.iter().filter(|line| keep(line)).count()
        };
        let in_old = |line: &Line<'_>| !matches!(line, Line::New(_));
        let in_new = |line: &Line<'_>| !matches!(line, Line::Gone(_));
        let part = &lines[start..end];
        let (olds, news) = (count(in_old, part), count(in_new, part));
        let first = |keep, size: usize| count(keep, &lines[..start]) + usize::from(size > 0);
        out.push_str(&format!(
            "@@ -{},{olds} +{},{news} @@\n",
            first(in_old, olds),
            first(in_new, news)
        ));
        for line in part {
            let (sign, text) = match line {
                Line::Same(text) => (' ', text),
                Line::Gone(text) => ('-', text),
                Line::New(text) => ('+', text),
            };
            out.push(sign);
            out.push_str(text);
            if !text.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Ranges of lines that hold changes and what is around them.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if matches!(line, Line::Same(_)) {
            continue;
        }
        let (start, end) = (
            at.saturating_sub(AROUND),
            (at + AROUND + 1).min(lines.len()),
        );
        match hunks.last_mut() {
            Some((_, last)) if start <= *last => *last = end,
            _ => hunks.push((start, end)),
        }
    }
    hunks
}

/// By the longest common subsequence of what is between the common beginning and end.
fn lines<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(a, b)| a == b).count();
    let (middle_old, middle_new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut out: Vec<Line<'a>> = old[..head].iter().map(|line| Line::Same(line)).collect();
    let (rows, columns) = (middle_old.len(), middle_new.len());
    if rows.saturating_mul(columns) > CELLS {
        out.extend(middle_old.iter().map(|line| Line::Gone(line)));
        out.extend(middle_new.iter().map(|line| Line::New(line)));
    } else {
        let width = columns + 1;
        let mut longest = vec![0_usize; (rows + 1) * width];
        for row in (0..rows).rev() {
            for column in (0..columns).rev() {
                longest[row * width + column] = if middle_old[row] == middle_new[column] {
                    longest[(row + 1) * width + column + 1] + 1
                } else {
                    longest[(row + 1) * width + column].max(longest[row * width + column + 1])
                };
            }
        }
        let (mut row, mut column) = (0, 0);
        while row < rows || column < columns {
            if row < rows && column < columns && middle_old[row] == middle_new[column] {
                out.push(Line::Same(middle_old[row]));
                row += 1;
                column += 1;
            } else if column == columns
                || (row < rows
                    && longest[(row + 1) * width + column] >= longest[row * width + column + 1])
            {
                out.push(Line::Gone(middle_old[row]));
                row += 1;
            } else {
                out.push(Line::New(middle_new[column]));
                column += 1;
            }
        }
    }
    out.extend(old[old.len() - tail..].iter().map(|line| Line::Same(line)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_what_is_around() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n";
        assert_eq!(
            unified("f", old, new),
            "--- f\n+++ f\n@@ -2,11 +2,12 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n 10\n 11\n-12\n\\ No newline at end of file\n+12\n+13\n"
        );
        assert_eq!(unified("f", old, old), "");
        assert_eq!(
            unified("f", "", "a\n"),
            "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n"
        );
    }
}
