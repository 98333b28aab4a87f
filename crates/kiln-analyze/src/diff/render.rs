//! A difference as text and as Markdown.

use std::cmp::Reverse;

use super::Difference;
use super::files::{Change, FileChange, FileTotal};
use super::packages::PackageChange;
use crate::render::{Bytes, Columns, layers, line, markdown::escape, thousands};

/// The difference for a terminal; `most` files are listed, those that change the size most.
#[must_use]
pub fn text(difference: &Difference, most: usize) -> String {
    let mut out = String::new();
    for (mark, side) in [("-", &difference.before), ("+", &difference.after)] {
        out.push_str(&format!(
            "{mark} {}  {}  {}, {} compressed, {} unpacked\n",
            side.name,
            side.digest.short(),
            layers(side.layers),
            Bytes(side.compressed),
            Bytes(side.uncompressed),
        ));
    }
    out.push_str(&format!("{}\n", size_line(difference)));
    if difference.is_empty() {
        out.push_str("\nNo difference in files, packages and config.\n");
    }
    let sections = [
        (
            "FILES",
            (!difference.files.is_empty()).then(|| totals(difference)),
        ),
        ("", files(difference, most)),
        ("PACKAGES", packages(difference)),
        ("CONFIG", config(difference)),
    ];
    for (title, columns) in sections {
        if let Some(columns) = columns {
            match title {
                "" => out.push('\n'),
                title => out.push_str(&format!("\n{title}\n")),
            }
            out.push_str(&columns.text());
        }
    }
    let more = difference.files.len().saturating_sub(most);
    if more > 0 {
        out.push_str(&format!("\n{more} more files differ; --all lists them\n"));
    }
    for path in &difference.unread_packages {
        out.push_str(&format!("\nnot compared: the packages in {path}\n"));
    }
    let history = &difference.history;
    if !history.before.is_empty() || !history.after.is_empty() {
        out.push_str("\nHISTORY\n");
        for (mark, steps) in [("-", &history.before), ("+", &history.after)] {
            for step in steps {
                out.push_str(&format!("{mark} {}\n", line(step, 100)));
            }
        }
    }
    out
}

/// The difference as Markdown.
#[must_use]
pub fn markdown(difference: &Difference, most: usize) -> String {
    let (before, after) = (&difference.before, &difference.after);
    let mut out = format!(
        "## {} → {}\n\n{}\n",
        escape(&before.name),
        escape(&after.name),
        escape(&size_line(difference))
    );
    let sections = [
        (
            "Files",
            (!difference.files.is_empty()).then(|| totals(difference)),
        ),
        ("Largest changes", files(difference, most)),
        ("Packages", packages(difference)),
        ("Config", config(difference)),
    ];
    for (title, columns) in sections {
        if let Some(columns) = columns {
            out.push_str(&format!("\n### {title}\n\n{}", columns.markdown()));
        }
    }
    if difference.is_empty() {
        out.push_str("\nNo difference in files, packages and config.\n");
    }
    let history = &difference.history;
    if !history.before.is_empty() || !history.after.is_empty() {
        out.push_str("\n### History\n\n");
        for (mark, steps) in [("removed", &history.before), ("added", &history.after)] {
            for step in steps {
                out.push_str(&format!("- {mark}: {}\n", escape(&line(step, 200))));
            }
        }
    }
    out
}

fn size_line(difference: &Difference) -> String {
    let (before, after) = (&difference.before, &difference.after);
    format!(
        "{} shared; {} compressed, {} unpacked; an update sends {}",
        layers(difference.shared_layers),
        signed(before.compressed, after.compressed),
        signed(before.uncompressed, after.uncompressed),
        Bytes(difference.update),
    )
}

/// `+1.2 MB`, `-3 B`, `±0 B`.
fn signed(before: u64, after: u64) -> String {
    let sign = match before.cmp(&after) {
        std::cmp::Ordering::Less => "+",
        std::cmp::Ordering::Equal => "±",
        std::cmp::Ordering::Greater => "-",
    };
    format!("{sign}{}", Bytes(before.abs_diff(after)))
}

fn totals(difference: &Difference) -> Columns {
    let mut columns = Columns::new(&["CHANGE", ">PATHS", ">BEFORE", ">AFTER", ">DIFFERENCE"]);
    let totals = &difference.totals;
    let rows: [(&str, FileTotal); 4] = [
        ("added", totals.added),
        ("removed", totals.removed),
        ("modified", totals.modified),
        ("metadata only", totals.metadata),
    ];
    for (name, total) in rows {
        columns.row(vec![
            name.to_owned(),
            thousands(total.paths),
            Bytes(total.before).to_string(),
            Bytes(total.after).to_string(),
            signed(total.before, total.after),
        ]);
    }
    columns
}

fn files(difference: &Difference, most: usize) -> Option<Columns> {
    let mut changes: Vec<&FileChange> = difference.files.iter().collect();
    changes.sort_by_key(|change| {
        let by = change.before.abs_diff(change.after);
        let weight = by.max(change.after.min(change.before));
        Reverse((by, weight))
    });
    changes.truncate(most);
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    if changes.is_empty() {
        return None;
    }
    let mut columns = Columns::new(&["", ">DIFFERENCE", "PATH", "WHAT"]);
    for change in changes {
        let mark = match change.change {
            Change::Added => "+",
            Change::Removed => "-",
            Change::Modified => "M",
            Change::Metadata => "m",
        };
        let what = match change.facts.is_empty() {
            true => change.kind.to_owned(),
            false => change.facts.join(", "),
        };
        columns.row(vec![
            mark.to_owned(),
            signed(change.before, change.after),
            format!("/{}", line(&change.path, 160)),
            what,
        ]);
    }
    Some(columns)
}

fn packages(difference: &Difference) -> Option<Columns> {
    let changes = &difference.packages;
    if changes.is_empty() {
        return None;
    }
    let mut columns = Columns::new(&["", "PACKAGE", "BEFORE", "AFTER", "FORMAT"]);
    for change in changes {
        let PackageChange {
            name,
            before,
            after,
            format,
        } = change;
        let mark = match (before, after) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "M",
        };
        let text = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
        let cells = [mark.to_owned(), name.clone(), text(before), text(after)];
        columns.row(cells.into_iter().chain([(*format).to_owned()]).collect());
    }
    Some(columns)
}

fn config(difference: &Difference) -> Option<Columns> {
    if difference.config.is_empty() {
        return None;
    }
    let mut columns = Columns::new(&["FIELD", "BEFORE", "AFTER"]);
    for change in &difference.config {
        let text = |value: &Option<String>| match value {
            None => "-".to_owned(),
            Some(value) => line(value, 80),
        };
        columns.row(vec![
            change.field.clone(),
            text(&change.before),
            text(&change.after),
        ]);
    }
    Some(columns)
}
