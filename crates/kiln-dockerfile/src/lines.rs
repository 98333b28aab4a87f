//! From bytes to logical lines: the byte order mark, comments, continuations and here-document bodies.
//!
//! A logical line is what one instruction is written on, with its continuations joined. It remembers
//! where each of its pieces came from, so that every later error can point into the source.

use crate::diagnostic::Diagnostic;
use crate::span::{SourceFile, Span};
use crate::syntax::Comment;
use std::ops::Range;

/// The longest physical line that BuildKit reads, in bytes.
const LINE_LIMIT: usize = 65_535;

/// How positions in a logical line become places in the source.
#[derive(Clone, Debug)]
enum Places {
    /// Pairs of (offset in the text, offset in the source), ascending.
    Pieces(Vec<(usize, usize)>),
    /// Everything is at one place: the text does not come from the source that is shown.
    Fixed(Span),
}

/// One instruction's text with continuations joined.
#[derive(Clone, Debug)]
pub struct LogicalLine {
    /// The joined text, without leading and trailing blanks.
    pub text: String,
    /// From the first to the last character in the source.
    pub span: Span,
    /// The comments directly above, without a blank line between.
    pub comments: Vec<Comment>,
    /// Blank lines inside the continuation (deprecated).
    pub empty_continuations: Vec<Span>,
    places: Places,
}

impl LogicalLine {
    /// Where a range of [`LogicalLine::text`] stands in the source.
    pub fn place(&self, range: Range<usize>) -> Span {
        match &self.places {
            Places::Fixed(span) => *span,
            Places::Pieces(pieces) => {
                let at = |offset: usize| {
                    let piece = pieces.partition_point(|(start, _)| *start <= offset);
                    let (start, source) = pieces[piece.saturating_sub(1)];
                    source + offset.saturating_sub(start)
                };
                let start = at(range.start).min(self.span.end);
                // The end is measured from the last byte inside, which may stand on an earlier line
                // than the byte after it.
                let end = if range.end > range.start {
                    at(range.end - 1) + 1
                } else {
                    start
                };
                Span::new(start, end.min(self.span.end))
            }
        }
    }

    /// Makes every later [`LogicalLine::place`] answer `span`.
    pub(crate) fn fix(&mut self, span: Span) {
        self.places = Places::Fixed(span);
        self.span = span;
    }
}

/// The text between a here-document's opening and its terminator.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// The lines with their line breaks.
    pub(crate) text: String,
    /// Where they stand, terminator line included.
    pub(crate) span: Span,
    /// Whether the terminator was found.
    pub(crate) terminated: bool,
}

/// Reads logical lines one after another.
pub(crate) struct LineReader<'a> {
    bytes: &'a [u8],
    cursor: usize,
    escape: u8,
    /// Every comment that was passed.
    pub(crate) comments: Vec<Comment>,
    /// What is wrong with the lines themselves.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<'a> LineReader<'a> {
    pub(crate) fn new(source: &'a SourceFile, escape: char) -> LineReader<'a> {
        let bytes = source.text();
        let cursor = if bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let escape = if escape == '`' { b'`' } else { b'\\' };
        LineReader {
            bytes,
            cursor,
            escape,
            comments: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// The next physical line: its span without and the offset after its line break.
    fn physical(&mut self) -> Option<Range<usize>> {
        if self.cursor >= self.bytes.len() {
            return None;
        }
        let start = self.cursor;
        let rest = &self.bytes[start..];
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |at| at + 1);
        self.cursor = start + length;
        let mut end = self.cursor;
        while end > start && matches!(self.bytes[end - 1], b'\n' | b'\r') {
            end -= 1;
        }
        if end - start > LINE_LIMIT {
            self.diagnostics.push(
                Diagnostic::error(
                    Span::new(start, end),
                    format!("line of {} bytes is longer than {LINE_LIMIT}", end - start),
                )
                .with_help("break it with a continuation, or COPY a file instead"),
            );
        }
        Some(start..end)
    }

    fn text(&mut self, range: Range<usize>) -> String {
        match std::str::from_utf8(&self.bytes[range.clone()]) {
            Ok(text) => text.to_string(),
            Err(error) => {
                let at = range.start + error.valid_up_to();
                self.diagnostics.push(Diagnostic::error(
                    Span::new(at, at + 1),
                    "the text is not valid UTF-8",
                ));
                String::from_utf8_lossy(&self.bytes[range]).into_owned()
            }
        }
    }

    fn comment(&self, range: Range<usize>) -> Option<Comment> {
        let start = range.start + blanks(&self.bytes[range.clone()]);
        if self.bytes.get(start) != Some(&b'#') || start >= range.end {
            return None;
        }
        let text = String::from_utf8_lossy(&self.bytes[start + 1..range.end])
            .trim()
            .to_string();
        Some(Comment {
            text,
            span: Span::new(start, range.end),
        })
    }

    /// The next instruction's line, or `None` at the end of the file.
    pub(crate) fn logical(&mut self) -> Option<LogicalLine> {
        let mut comments = Vec::new();
        loop {
            let range = self.physical()?;
            if let Some(comment) = self.comment(range.clone()) {
                self.comments.push(comment.clone());
                // An empty comment parts what is above it from the instruction, as a blank line does.
                match comment.text.is_empty() {
                    true => comments.clear(),
                    false => comments.push(comment),
                }
                continue;
            }
            let start = range.start + blanks(&self.bytes[range.clone()]);
            let (end, mut more) = self.continuation(start..range.end);
            if !more && start >= end {
                comments.clear();
                continue;
            }
            let mut text = self.text(start..end);
            let mut pieces = vec![(0, start)];
            let mut empty = Vec::new();
            let mut last = end.max(start);
            while more {
                let Some(next) = self.physical() else { break };
                if let Some(comment) = self.comment(next.clone()) {
                    self.comments.push(comment);
                    continue;
                }
                if blanks(&self.bytes[next.clone()]) == next.len() {
                    empty.push(Span::new(next.start, next.end));
                    continue;
                }
                let (end, again) = self.continuation(next.clone());
                more = again;
                pieces.push((text.len(), next.start));
                let piece = self.text(next.start..end);
                text.push_str(&piece);
                last = end;
            }
            text.truncate(text.trim_end().len());
            if text.is_empty() {
                comments.clear();
                continue;
            }
            let span = Span::new(start, last);
            let places = Places::Pieces(pieces);
            let mut line = LogicalLine {
                text,
                span,
                comments,
                empty_continuations: empty,
                places,
            };
            line.span = line.place(0..line.text.len());
            return Some(line);
        }
    }

    /// Where the line's own text ends, and whether an escape continues it on the next line. Blanks may
    /// follow the escape; an escape before the escape makes it an ordinary character.
    fn continuation(&self, range: Range<usize>) -> (usize, bool) {
        let line = &self.bytes[range.clone()];
        let kept = line
            .iter()
            .rposition(|byte| !matches!(byte, b' ' | b'\t'))
            .map_or(0, |at| at + 1);
        let escaped = kept > 0
            && line[kept - 1] == self.escape
            && (kept == 1 || line[kept - 2] != self.escape);
        if escaped {
            (range.start + kept - 1, true)
        } else {
            (range.end, false)
        }
    }

    /// The lines up to `terminator`, which is taken too. With `strip_tabs` the terminator may be
    /// indented by tabs; the text itself is left as it is.
    pub(crate) fn heredoc(&mut self, terminator: &str, strip_tabs: bool) -> Body {
        let start = self.cursor;
        while let Some(range) = self.physical() {
            let mut line = &self.bytes[range.clone()];
            while strip_tabs && line.first() == Some(&b'\t') {
                line = &line[1..];
            }
            if line == terminator.as_bytes() {
                let text = self.text(start..range.start);
                return Body {
                    text,
                    span: Span::new(start, range.end),
                    terminated: true,
                };
            }
        }
        let text = self.text(start..self.bytes.len());
        Body {
            text,
            span: Span::new(start, self.bytes.len()),
            terminated: false,
        }
    }
}

/// How many bytes of leading white space there are (ASCII's; nothing else separates words here).
fn blanks(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c))
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, escape: char) -> Vec<String> {
        let source = SourceFile::new("Dockerfile", text);
        let mut reader = LineReader::new(&source, escape);
        std::iter::from_fn(|| reader.logical().map(|line| line.text)).collect()
    }

    #[test]
    fn continuations_comments_and_blank_lines() {
        for (text, expected) in [
            ("RUN a \\\n  b", vec!["RUN a   b"]),
            ("RUN a \\  \t\n b", vec!["RUN a  b"]),
            ("RUN a \\\\\nRUN b", vec!["RUN a \\\\", "RUN b"]),
            ("RUN a \\\n# note\n  # note\nb", vec!["RUN a b"]),
            ("RUN a \\\n\n\nb\nRUN c", vec!["RUN a b", "RUN c"]),
            ("RUN a \\", vec!["RUN a"]),
            ("\\\nRUN a", vec!["RUN a"]),
            ("  \t RUN a  \r\nRUN b\r\n", vec!["RUN a", "RUN b"]),
            ("\u{feff}FROM a", vec!["FROM a"]),
            (
                "# c\n\n  # d\nRUN a # no comment",
                vec!["RUN a # no comment"],
            ),
            ("RUN a \\\r\n b", vec!["RUN a  b"]),
            ("RUN a `\n b", vec!["RUN a `", "b"]),
            ("\n\n", vec![]),
            ("\\", vec![]),
        ] {
            assert_eq!(lines(text, '\\'), expected, "{text:?}");
        }
        assert_eq!(
            lines("RUN a `\n b\nRUN c \\\nd", '`'),
            ["RUN a  b", "RUN c \\", "d"]
        );
    }

    #[test]
    fn places_point_into_the_source() {
        let text = "RUN one \\\n# c\n  two";
        let source = SourceFile::new("Dockerfile", text);
        let line = LineReader::new(&source, '\\').logical().unwrap();
        assert_eq!(line.text, "RUN one   two");
        let two = line.text.find("two").unwrap();
        let span = line.place(two..two + 3);
        assert_eq!(&text[span.start..span.end], "two");
        assert_eq!(line.span, Span::new(0, text.len()));
    }

    #[test]
    fn comments_above_stick_unless_a_blank_line_parts_them() {
        let source = SourceFile::new("D", "# far\n\n# near one\n# near two\nFROM a\n");
        let line = LineReader::new(&source, '\\').logical().unwrap();
        let texts: Vec<_> = line
            .comments
            .iter()
            .map(|comment| comment.text.as_str())
            .collect();
        assert_eq!(texts, ["near one", "near two"]);
    }

    #[test]
    fn long_lines_and_bad_utf8_are_errors() {
        let source = SourceFile::new("D", format!("RUN {}", "a".repeat(LINE_LIMIT)));
        let mut reader = LineReader::new(&source, '\\');
        reader.logical();
        assert!(reader.diagnostics[0].message.contains("longer than 65535"));
        let source = SourceFile::new("D", b"RUN \xff".to_vec());
        let mut reader = LineReader::new(&source, '\\');
        reader.logical();
        assert_eq!(reader.diagnostics[0].span, Span::new(4, 5));
    }
}
