//! Near names for `did you mean`.

/// The option nearest to `word`, if it is near enough to be a slip of the finger: at most two edits
/// and fewer than half of the letters, letter case not counted. An option equal to `word` is no
/// suggestion, one that differs in case only is.
pub fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded: Vec<char> = word.to_lowercase().chars().collect();
    if folded.len() > 64 {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for option in options {
        if option == word {
            continue;
        }
        let candidate: Vec<char> = option.to_lowercase().chars().collect();
        if candidate.len().abs_diff(folded.len()) > 2 {
            continue;
        }
        let distance = edits(&folded, &candidate);
        let near = distance <= 2 && distance * 2 <= folded.len().max(1);
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, option));
        }
    }
    best.map(|(_, option)| option)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `from` into `to`
/// (restricted Damerau–Levenshtein distance).
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && a == to[j - 1] && from[i - 1] == b {
                cost = cost.min(before_last[j - 1] + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_leaves_strangers_alone() {
        let names = ["RUN", "COPY", "FROM", "ENTRYPOINT"];
        for (word, expected) in [
            ("RUM", Some("RUN")),
            ("FORM", Some("FROM")),
            ("copy", Some("COPY")),
            ("COPPY", Some("COPY")),
            ("ENTRYPIONT", Some("ENTRYPOINT")),
            ("RUN", None),
            ("XYZ", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }
}
