//! Places in a source text: byte spans, and the lines and columns that people read.

use std::borrow::Cow;

/// A half-open range of byte offsets into a [`SourceFile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just past the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` to `end`; an `end` before `start` gives an empty span at `start`.
    pub fn new(start: usize, end: usize) -> Span {
        Span {
            start,
            end: end.max(start),
        }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Whether it holds no byte.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// A line and a column, both counted from 1; the column counts characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A named source text with an index of its lines.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// What to call the text in a message, usually the path as the user gave it.
    pub name: String,
    text: Vec<u8>,
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// Indexes `text`. It may be any bytes at all.
    pub fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> SourceFile {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts.extend(
            text.iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(at, _)| at + 1),
        );
        SourceFile {
            name: name.into(),
            text,
            line_starts,
        }
    }

    /// The bytes.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where `offset` is; an offset past the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self
            .line_starts
            .partition_point(|start| *start <= offset)
            .max(1);
        let before = &self.text[self.line_starts[line - 1]..offset];
        Position {
            line,
            column: String::from_utf8_lossy(before).chars().count() + 1,
        }
    }

    /// How many lines there are; a text without a final newline still has its last line.
    pub fn line_count(&self) -> usize {
        self.line_starts.len()
    }

    /// The span of a line (from 1) without its line break; empty past the end.
    pub fn line_span(&self, line: usize) -> Span {
        let Some(start) = line
            .checked_sub(1)
            .and_then(|at| self.line_starts.get(at))
            .copied()
        else {
            return Span::new(self.text.len(), self.text.len());
        };
        let mut end = self
            .line_starts
            .get(line)
            .copied()
            .unwrap_or(self.text.len());
        while end > start && matches!(self.text[end - 1], b'\n' | b'\r') {
            end -= 1;
        }
        Span::new(start, end)
    }

    /// The text of a line (from 1) without its line break, bad UTF-8 replaced.
    pub fn line_text(&self, line: usize) -> Cow<'_, str> {
        let span = self.line_span(line);
        String::from_utf8_lossy(&self.text[span.start..span.end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let source = SourceFile::new("f", "ab\ncäd\r\n\nx");
        for (offset, line, column) in [
            (0, 1, 1),
            (2, 1, 3),
            (3, 2, 1),
            (6, 2, 3),
            (9, 3, 1),
            (10, 4, 1),
            (99, 4, 2),
        ] {
            assert_eq!(
                source.position(offset),
                Position { line, column },
                "offset {offset}"
            );
        }
        assert_eq!(source.line_text(2), "cäd");
        assert_eq!(source.line_text(3), "");
        assert_eq!(source.line_text(7), "");
        assert_eq!(source.line_count(), 4);
    }
}
