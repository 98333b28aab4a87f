//! What is wrong with a Dockerfile, where, and what to do about it.
//!
//! One [`Diagnostic`] serves every reader: [`Diagnostic::render`] makes plain text with the lines and
//! a caret, [`Diagnostic::record`] a serialisable form with lines and columns.

use crate::span::{Position, SourceFile, Span};
use std::fmt::Write;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The build cannot go on.
    Error,
    /// The build goes on, but the author should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One finding at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the rule that found it, for example `StageNameCasing`; parse errors have none.
    pub code: Option<&'static str>,
    /// One sentence without a full stop, naming what was found.
    pub message: String,
    /// Where it is.
    pub span: Span,
    /// A fix or a `did you mean`, if there is one.
    pub help: Option<String>,
    /// A page that explains the rule.
    pub docs: Option<String>,
}

/// How many source lines [`Diagnostic::render`] shows at most.
const SHOWN_LINES: usize = 4;

impl Diagnostic {
    /// An error at `span`.
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: None,
            message: message.into(),
            span,
            help: None,
            docs: None,
        }
    }

    /// A warning of the rule `code` at `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            code: Some(code),
            ..Diagnostic::error(span, message)
        }
    }

    /// The same with a way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The same with `did you mean …` if a near name was found.
    #[must_use]
    pub fn with_suggestion(self, suggestion: Option<&str>) -> Diagnostic {
        match suggestion {
            Some(name) => self.with_help(format!("did you mean {name}?")),
            None => self,
        }
    }

    /// Plain text for a person: `file:line:column`, the message, the lines with a caret line, the help.
    /// It ends in a newline and holds no terminal control codes, whatever the source holds.
    pub fn render(&self, source: &SourceFile) -> String {
        let start = source.position(self.span.start);
        let end = source.position(self.span.end.max(self.span.start));
        let mut out = format!("{}:{}:{}: ", source.name, start.line, start.column);
        let _ = match self.code {
            Some(code) => {
                writeln!(
                    out,
                    "{}[{code}]: {}",
                    self.severity.name(),
                    visible(&self.message)
                )
            }
            None => writeln!(out, "{}: {}", self.severity.name(), visible(&self.message)),
        };
        // A span that ends just before the next line's first character belongs to the line above.
        let last = if end.column == 1 && end.line > start.line {
            end.line - 1
        } else {
            end.line
        };
        let shown_last = last.min(start.line + SHOWN_LINES - 1);
        let width = shown_last.to_string().len();
        for line in start.line..=shown_last {
            let text = source.line_text(line);
            let _ = writeln!(out, "{line:>width$} | {}", visible(&text));
            if line == start.line {
                let _ = writeln!(out, "{:width$} | {}", "", caret_line(&text, start, end));
            }
        }
        if shown_last < last {
            let _ = writeln!(out, "{:width$} | … {} more lines", "", last - shown_last);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "{:width$} = help: {}", "", visible(help));
        }
        if let Some(docs) = &self.docs {
            let _ = writeln!(out, "{:width$} = see: {docs}", "");
        }
        out
    }

    /// The serialisable form.
    pub fn record(&self, source: &SourceFile) -> DiagnosticRecord {
        DiagnosticRecord {
            file: source.name.clone(),
            severity: self.severity,
            code: self.code.map(str::to_string),
            message: self.message.clone(),
            start: source.position(self.span.start),
            end: source.position(self.span.end),
            help: self.help.clone(),
            docs: self.docs.clone(),
        }
    }
}

/// Blanks up to the column, then carets to the end of the span or of the line.
fn caret_line(text: &str, start: Position, end: Position) -> String {
    let length = text.chars().count();
    let stop = if end.line == start.line {
        end.column
    } else {
        length + 1
    };
    let mut line: String = text
        .chars()
        .take(start.column - 1)
        // A tab must stay a tab, or the caret would point beside the word.
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    line.extend(std::iter::repeat_n(
        '^',
        stop.saturating_sub(start.column).max(1),
    ));
    line
}

/// Control characters made visible, so that a hostile Dockerfile cannot steer the terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' => '\t',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            control if control.is_control() => '\u{fffd}',
            other => other,
        })
        .collect()
}

/// A [`Diagnostic`] with lines and columns instead of byte offsets: what `--json` prints.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DiagnosticRecord {
    /// Name of the source file.
    pub file: String,
    /// `error` or `warning`.
    pub severity: Severity,
    /// The rule, if a rule found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// One sentence.
    pub message: String,
    /// First character.
    pub start: Position,
    /// Just past the last character.
    pub end: Position,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// A page that explains the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_the_line_with_a_caret_and_the_help() {
        let source = SourceFile::new("Dockerfile", "FROM a\n\tRUM make\n");
        let diagnostic = Diagnostic::error(Span::new(8, 11), "unknown instruction RUM")
            .with_suggestion(Some("RUN"));
        assert_eq!(
            diagnostic.render(&source),
            "Dockerfile:2:2: error: unknown instruction RUM\n\
             2 | \tRUM make\n  | \t^^^\n  = help: did you mean RUN?\n"
        );
    }

    #[test]
    fn long_spans_are_cut_and_control_codes_are_shown() {
        let source = SourceFile::new("D", "a\x1b[31m\nb\nc\nd\ne\nf\n");
        let text = Diagnostic::warning("Rule", Span::new(0, 17), "m").render(&source);
        assert!(!text.contains('\x1b'), "{text}");
        assert!(text.contains("… 2 more lines"), "{text}");
        assert!(text.starts_with("D:1:1: warning[Rule]: m\n"), "{text}");
    }

    #[test]
    fn record_is_json_with_lines_and_columns() {
        let source = SourceFile::new("D", "FROM a AS B\n");
        let record = Diagnostic::warning("StageNameCasing", Span::new(10, 11), "m").record(&source);
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"file":"D","severity":"warning","code":"StageNameCasing","message":"m","start":{"line":1,"column":11},"end":{"line":1,"column":12}}"#
        );
    }
}
