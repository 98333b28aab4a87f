//! What rules find: a place, a sentence, and sometimes the way to put it right.

use crate::rule::{Family, Rule, Severity};
use kiln_dockerfile::{Diagnostic, Span};

/// A piece of the source to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Edit {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just past the last byte; equal to `start` for an insertion.
    pub end: usize,
    /// What comes there.
    pub text: String,
}

impl Edit {
    /// Replaces a span.
    pub fn replace(span: Span, text: impl Into<String>) -> Edit {
        Edit {
            start: span.start,
            end: span.end,
            text: text.into(),
        }
    }

    /// Puts text before a byte.
    pub fn insert(at: usize, text: impl Into<String>) -> Edit {
        Edit {
            start: at,
            end: at,
            text: text.into(),
        }
    }
}

/// Edits that together put a finding right.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fix {
    /// What they do, as an order: `add --no-cache`.
    pub description: String,
    /// Whether the image stays what it is, or becomes what was surely meant. Only such fixes are applied by
    /// `--fix` unasked.
    pub safe: bool,
    /// The edits, which do not overlap.
    pub edits: Vec<Edit>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How much it matters, after the configuration.
    pub severity: Severity,
    /// One sentence without a full stop.
    pub message: String,
    /// Where it is.
    pub span: Span,
    /// The whole instruction that it is in; the same as `span` if it is in none.
    pub instruction: Span,
    /// What to do about it.
    pub help: Option<String>,
    /// How it can be put right.
    pub fix: Option<Fix>,
}

impl Finding {
    /// Adds what to do.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Finding {
        self.help = Some(help.into());
        self
    }

    /// Adds a fix that `--fix` applies.
    pub fn fix(&mut self, description: impl Into<String>, edits: Vec<Edit>) -> &mut Finding {
        self.fix = Some(Fix {
            description: description.into(),
            safe: true,
            edits,
        });
        self
    }

    /// Adds a fix that is shown, but applied only by whoever asks for it: it changes the image.
    pub fn suggest(&mut self, description: impl Into<String>, edits: Vec<Edit>) -> &mut Finding {
        self.fix(description, edits);
        if let Some(fix) = &mut self.fix {
            fix.safe = false;
        }
        self
    }

    /// The form that a build's output takes. A finding is an error only where the file says so.
    pub fn diagnostic(&self) -> Diagnostic {
        let docs = (self.rule.family() == Family::Docker).then(|| {
            format!(
                "https://docs.docker.com/go/dockerfile/rule/{}/",
                self.rule.name
            )
        });
        Diagnostic {
            severity: match self.severity {
                Severity::Error => kiln_dockerfile::Severity::Error,
                _ => kiln_dockerfile::Severity::Warning,
            },
            code: Some(self.rule.code),
            message: self.message.clone(),
            span: self.span,
            help: self.help.clone(),
            docs,
        }
    }
}

/// What one rule found so far.
pub struct Report {
    rule: &'static Rule,
    severity: Severity,
    found: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(rule: &'static Rule, severity: Severity) -> Report {
        Report {
            rule,
            severity,
            found: Vec::new(),
        }
    }

    /// Reports a place. The message is one sentence without a full stop.
    pub fn add(&mut self, span: Span, message: impl Into<String>) -> &mut Finding {
        self.found.push(Finding {
            rule: self.rule,
            severity: self.severity,
            message: message.into(),
            span,
            instruction: span,
            help: None,
            fix: None,
        });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Reports a place with a way out.
    pub fn add_with_help(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        self.add(span, message).help = help;
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.found
    }
}
