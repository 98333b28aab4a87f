//! The linter: whatever the bytes are, it finds, fixes and formats without a panic, fixing and formatting
//! twice change nothing, and the formatter keeps what the file means.

#![no_main]

use kiln_dockerfile::{SourceFile, parse};
use kiln_lint::output::{Format, Linted, render};
use kiln_lint::{Facts, Options, fix, format, lint, meaning};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (facts, options) = (Facts::default(), Options::default());
    let source = SourceFile::new("Dockerfile", bytes);
    let parsed = parse(&source);
    let findings = lint(&source, &parsed, &facts, &options);
    for finding in &findings {
        assert!(finding.span.start <= finding.span.end && finding.span.end <= bytes.len());
    }
    let file = [Linted { source: source.clone(), findings }];
    for form in [Format::Tty, Format::Json, Format::Sarif, Format::Junit, Format::Gitlab, Format::Checkstyle] {
        render(&file, form);
    }
    let fixed = fix(&source, &facts, &options, true).text;
    let again = SourceFile::new("Dockerfile", fixed.clone());
    assert_eq!(fix(&again, &facts, &options, true).text, fixed);
    let formatted = SourceFile::new("Dockerfile", format(&source));
    assert_eq!(format(&formatted), formatted.text());
    assert_eq!(meaning(&parse(&formatted).file), meaning(&parsed.file));
});
