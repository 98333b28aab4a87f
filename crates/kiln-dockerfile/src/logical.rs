//! The lines of a file as the parser sees them: continuations joined, with the way back to the source.

use crate::parse::heredoc;
use crate::span::{SourceFile, Span};

pub use crate::lines::LogicalLine;

use crate::lines::LineReader;

/// A line and the bodies of the here-documents that it opens.
#[derive(Clone, Debug)]
pub struct Logical {
    /// The line.
    pub line: LogicalLine,
    /// From the line's first byte to the end of its last here-document.
    pub span: Span,
}

impl Logical {
    /// The instruction's name in upper case; for ONBUILD that is `ONBUILD`.
    pub fn keyword(&self) -> String {
        let word = self.line.text.split_ascii_whitespace().next();
        word.unwrap_or_default().to_ascii_uppercase()
    }
}

/// All lines that hold something other than comments, in order. Nothing is an error here: a
/// here-document without an end goes to the end of the file.
pub fn lines(source: &SourceFile, escape: char) -> Vec<Logical> {
    let mut reader = LineReader::new(source, escape);
    let mut all = Vec::new();
    while let Some(line) = reader.logical() {
        let mut span = line.span;
        if opens_heredocs(&line.text)
            && let Ok(bodies) = heredoc::bodies(&line, &mut reader)
            && let Some(last) = bodies.last()
        {
            span = span.to(last.span);
        }
        all.push(Logical { line, span });
    }
    all
}

/// Whether the line is one of those in which `<<` means a here-document.
fn opens_heredocs(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let mut keyword = words.next().unwrap_or_default();
    if keyword.eq_ignore_ascii_case("ONBUILD") {
        keyword = words.next().unwrap_or_default();
    }
    let named = ["RUN", "COPY", "ADD"];
    named.iter().any(|name| keyword.eq_ignore_ascii_case(name))
        && !words.next().is_some_and(|word| word.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn here_documents_belong_to_their_line() {
        let text = "FROM a\nRUN <<E cat\nRUN no\nE\nONBUILD COPY <<F /x\nf\nF\nCMD x << y\n";
        let source = SourceFile::new("D", text);
        let all = lines(&source, '\\');
        let keywords: Vec<String> = all.iter().map(Logical::keyword).collect();
        assert_eq!(keywords, ["FROM", "RUN", "ONBUILD", "CMD"]);
        let run = all[1].span;
        assert_eq!(&text[run.start..run.end], "RUN <<E cat\nRUN no\nE");
    }
}
