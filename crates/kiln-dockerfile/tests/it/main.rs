//! Tests of the whole language, from bytes to evaluated steps and findings.

mod git;
mod ignore;
mod outline;
mod parse;
mod parse_errors;
mod plan;
mod properties;
mod scope;
mod scope_files;

use kiln_dockerfile::{Parsed, SourceFile, parse as parse_file};

/// Parses a text that must be without errors.
fn parsed(text: &str) -> Parsed {
    let source = SourceFile::new("Dockerfile", text);
    let parsed = parse_file(&source);
    assert!(!parsed.has_errors(), "{text}\n{:#?}", parsed.diagnostics);
    parsed
}

/// Everything that the parser says about a text: line, column and message, and the help.
fn problems(text: &str) -> Vec<String> {
    let source = SourceFile::new("Dockerfile", text);
    parse_file(&source)
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let at = source.position(diagnostic.span.start);
            let help = diagnostic
                .help
                .as_ref()
                .map(|help| format!(" ({help})"))
                .unwrap_or_default();
            format!("{}:{}: {}{help}", at.line, at.column, diagnostic.message)
        })
        .collect()
}
