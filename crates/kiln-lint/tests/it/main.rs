//! Tests of the linter, from text to findings, fixes and pages.

mod agreement;
mod docker;
mod outputs;
mod properties;
mod rules;

use kiln_dockerfile::{Parsed, SourceFile, parse as parse_file};
use kiln_lint::{Facts, Finding, Options, lint};

/// Parses a text that must be without errors.
fn parsed(text: &str) -> Parsed {
    let source = SourceFile::new("Dockerfile", text);
    let parsed = parse_file(&source);
    assert!(!parsed.has_errors(), "{text}\n{:#?}", parsed.diagnostics);
    parsed
}

/// Lints a text.
fn linted(text: &str, facts: &Facts, options: &Options) -> Vec<Finding> {
    let source = SourceFile::new("Dockerfile", text);
    lint(&source, &parse_file(&source), facts, options)
}
