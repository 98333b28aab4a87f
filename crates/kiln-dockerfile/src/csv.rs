//! One line of comma-separated values, as `--mount` and `--device` use them (RFC 4180 quoting).

use std::ops::Range;

/// Splits a line into fields; each with its place in `line`, quotes included.
///
/// # Errors
/// A quote inside an unquoted field, or text after a closing quote.
pub(crate) fn fields(line: &str) -> Result<Vec<(String, Range<usize>)>, &'static str> {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = &line[at..];
        let (text, length) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, inner) = unquote(quoted)?;
                (text, inner + 1)
            }
            None => {
                let length = rest.find(',').unwrap_or(rest.len());
                if rest[..length].contains('"') {
                    return Err("a quote in the middle of a field");
                }
                (rest[..length].to_string(), length)
            }
        };
        fields.push((text, at..at + length));
        at += length;
        match line[at..].chars().next() {
            None => return Ok(fields),
            Some(',') => at += 1,
            Some(_) => return Err("text after a closing quote"),
        }
    }
}

/// The text up to the closing quote, and how many bytes that took, closing quote included.
fn unquote(quoted: &str) -> Result<(String, usize), &'static str> {
    let mut text = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '"' {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == '"').is_some() {
            text.push('"');
        } else {
            return Ok((text, at + 1));
        }
    }
    Err("a quote that is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_unquotes() {
        for (line, expected) in [
            ("a,b", Ok(vec!["a", "b"])),
            (
                "type=bind,\"target=/a,b\",ro",
                Ok(vec!["type=bind", "target=/a,b", "ro"]),
            ),
            ("\"a\"\"b\"", Ok(vec!["a\"b"])),
            ("", Ok(vec![""])),
            ("a,", Ok(vec!["a", ""])),
            ("a\"b\"", Err("a quote in the middle of a field")),
            ("\"a\"b", Err("text after a closing quote")),
            ("\"a", Err("a quote that is not closed")),
        ] {
            let found = fields(line)
                .map(|fields| fields.into_iter().map(|(text, _)| text).collect::<Vec<_>>());
            assert_eq!(
                found,
                expected.map(|e| e.iter().map(ToString::to_string).collect()),
                "{line}"
            );
        }
        assert_eq!(fields("ab,\"c\",d").unwrap()[1].1, 3..6);
    }
}
