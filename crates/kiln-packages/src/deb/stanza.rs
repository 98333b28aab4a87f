//! Stanzas: the paragraphs of fields that all of Debian's metadata is written in.
//!
//! Source: Debian Policy 5.1, `deb822(5)`. A field's name has any letter case; its value may go on in
//! lines that begin with a blank or a tab.

use std::io::{self, BufRead};
use std::ops::Range;

/// The most bytes of one stanza; the longest in Debian's indexes has some 100,000, a release file's up
/// to some millions.
const MAX_STANZA: usize = 64 << 20;

/// One paragraph of fields.
#[derive(Clone, Debug, Default)]
pub struct Stanza {
    text: String,
    fields: Vec<(Range<usize>, Range<usize>)>,
    line: usize,
}

/// Text that is no stanza, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StanzaError {
    /// The bytes could not be had.
    #[error("line {line}: cannot be read")]
    Read {
        /// The line, counted from one.
        line: usize,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line is neither a field nor the continuation of one.
    #[error("line {line}: `{text}` is neither a field nor a continuation of one")]
    Syntax {
        /// The line, counted from one.
        line: usize,
        /// The line's text, cut if it is long.
        text: String,
    },
    /// A field is there twice.
    #[error("line {line}: the field `{name}` is there twice")]
    Twice {
        /// The line of the second.
        line: usize,
        /// The field's name.
        name: String,
    },
    /// A stanza does not end.
    #[error("line {line}: a paragraph of more than {MAX_STANZA} bytes")]
    TooLong {
        /// The line where it was given up.
        line: usize,
    },
}

impl Stanza {
    /// The only stanza of `text`.
    ///
    /// # Errors
    /// When there is none, more than one, or a line is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, StanzaError> {
        let mut stanzas = Stanzas::new(text);
        let first = stanzas.next().transpose()?.unwrap_or_default();
        match stanzas.next().transpose()? {
            None if !first.fields.is_empty() => Ok(first),
            more => Err(StanzaError::Syntax {
                line: more.map_or(1, |stanza| stanza.line),
                text: "one paragraph was expected".to_owned(),
            }),
        }
    }

    /// The value of a field, trimmed; lines of a folded or multi-line value keep their line feeds and
    /// indentation.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| {
            let known = &self.text[known.clone()];
            known.eq_ignore_ascii_case(name)
        });
        found.map(|(_, value)| self.text[value.clone()].trim())
    }

    /// All fields in order: name and value, which is trimmed only at its end.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| {
            let value = self.text[value.clone()].trim_start_matches([' ', '\t']);
            (&self.text[name.clone()], value.trim_end())
        })
    }

    /// The text, with a line feed at its end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line where it begins, counted from one.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    fn push(&mut self, line: &str, number: usize) -> Result<(), StanzaError> {
        let start = self.text.len();
        self.text.push_str(line);
        self.text.push('\n');
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = self.fields.last_mut() {
                value.end = self.text.len();
                return Ok(());
            }
        } else if let Some((name, _)) = line.split_once(':').filter(|(name, _)| is_field_name(name))
        {
            if self.get(name).is_some() {
                let name = name.to_owned();
                return Err(StanzaError::Twice { line: number, name });
            }
            let value = start + name.len() + 1;
            self.fields
                .push((start..start + name.len(), value..self.text.len()));
            return Ok(());
        }
        Err(StanzaError::Syntax {
            line: number,
            text: line.chars().take(80).collect(),
        })
    }
}

/// Printable and no colon; `#` and `-` only further on (Policy 5.1).
fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['#', '-'])
        && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads stanza by stanza, holding one of them in memory. Ends after the first error.
#[derive(Debug)]
pub struct Stanzas<R> {
    input: R,
    line: usize,
    bytes: Vec<u8>,
    failed: bool,
}

impl<R: BufRead> Stanzas<R> {
    /// Reads from `input`, which is not compressed. Bytes that are not UTF-8 are replaced.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: 0,
            bytes: vec![],
            failed: false,
        }
    }

    /// The next line without its end, or nothing at the end of all.
    fn next_line(&mut self, room: usize) -> Result<Option<String>, StanzaError> {
        self.bytes.clear();
        self.line += 1;
        let line = self.line;
        let mut limited = io::Read::take(&mut self.input, room as u64 + 1);
        let read = limited
            .read_until(b'\n', &mut self.bytes)
            .map_err(|source| StanzaError::Read { line, source })?;
        if read > room {
            return Err(StanzaError::TooLong { line });
        }
        let text = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok((read > 0).then(|| String::from_utf8_lossy(text).into_owned()))
    }

    fn next_stanza(&mut self) -> Result<Option<Stanza>, StanzaError> {
        let mut stanza = Stanza::default();
        while let Some(line) = self.next_line(MAX_STANZA - stanza.text.len())? {
            if line.starts_with('#') {
                continue;
            }
            let is_blank = line.trim().is_empty();
            match (is_blank, stanza.fields.is_empty()) {
                (true, true) => {}
                (true, false) => return Ok(Some(stanza)),
                (false, first) => {
                    if first {
                        stanza.line = self.line;
                    }
                    stanza.push(&line, self.line)?;
                }
            }
        }
        Ok((!stanza.fields.is_empty()).then_some(stanza))
    }
}

impl<R: BufRead> Iterator for Stanzas<R> {
    type Item = Result<Stanza, StanzaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_stanza();
        self.failed = next.is_err();
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_continuations() {
        let text = b"\n\nPackage: hello\nDescription: short\n long line\n .\n more\nTag:\n# comment\n\n\nPackage: next\r\n";
        let all: Vec<Stanza> = Stanzas::new(&text[..]).collect::<Result<_, _>>().unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].line(), all[1].line()), (3, 12));
        assert_eq!(all[0].get("PACKAGE"), Some("hello"));
        assert_eq!(
            all[0].get("description"),
            Some("short\n long line\n .\n more")
        );
        assert_eq!(all[0].get("tag"), Some(""));
        assert_eq!(all[0].get("version"), None);
        assert_eq!(all[1].get("Package"), Some("next"));
        let names: Vec<_> = all[0].fields().map(|(name, _)| name).collect();
        assert_eq!(names, ["Package", "Description", "Tag"]);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [
            ("A: 1\nnonsense\n", 2),
            (" begins with a blank\n", 1),
            ("A: 1\n\na: 1\nA: 2\n", 4),
            ("A: 1\n-B: 2\n", 2),
            (": x\n", 1),
        ] {
            let error = Stanzas::new(text.as_bytes()).find_map(Result::err).unwrap();
            assert!(
                error.to_string().starts_with(&format!("line {line}:")),
                "{error}"
            );
        }
        let mut all = Stanzas::new(&b"x\ny\n"[..]);
        assert!(all.next().unwrap().is_err());
        assert!(all.next().is_none(), "an error is the end");
    }

    #[test]
    fn one_means_one() {
        assert_eq!(Stanza::parse(b"A: 1").unwrap().get("a"), Some("1"));
        assert!(Stanza::parse(b"").is_err());
        assert!(Stanza::parse(b"A: 1\n\nB: 2\n").is_err());
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let error = Stanzas::new(endless).next().unwrap().unwrap_err();
        assert!(matches!(error, StanzaError::TooLong { line: 1 }));
    }
}
