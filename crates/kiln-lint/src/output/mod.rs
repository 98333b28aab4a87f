//! Findings as text: for people, and in the forms that other programs read.

mod checkstyle;
mod gitlab;
mod json;
mod junit;
mod sarif;
mod tty;

use crate::finding::Finding;
use kiln_dockerfile::SourceFile;
use std::str::FromStr;

pub use tty::tty;

/// A file with what was found in it.
#[derive(Clone, Debug)]
pub struct Linted {
    /// The file.
    pub source: SourceFile,
    /// What was found, in source order.
    pub findings: Vec<Finding>,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One for people.
    Tty,
    /// hadolint's JSON with places and fixes added.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// JUnit's XML.
    Junit,
    /// GitLab's code quality report.
    Gitlab,
    /// Checkstyle's XML.
    Checkstyle,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        Ok(match text {
            "tty" => Format::Tty,
            "json" => Format::Json,
            "sarif" => Format::Sarif,
            "junit" => Format::Junit,
            "gitlab" | "gitlab_codeclimate" | "codeclimate" => Format::Gitlab,
            "checkstyle" => Format::Checkstyle,
            other => {
                return Err(format!(
                    "{other:?} is no format; use tty, json, sarif, junit, gitlab or checkstyle"
                ));
            }
        })
    }
}

/// The files in a form, a line break at the end.
pub fn render(files: &[Linted], format: Format) -> String {
    match format {
        Format::Tty => files.iter().map(tty).collect(),
        Format::Json => json::json(files),
        Format::Sarif => sarif::sarif(files),
        Format::Junit => junit::junit(files),
        Format::Gitlab => gitlab::gitlab(files),
        Format::Checkstyle => checkstyle::checkstyle(files),
    }
}

/// The line on which hadolint would report a finding: that of the instruction.
fn line_of(source: &SourceFile, finding: &Finding) -> usize {
    source.position(finding.instruction.start).line
}

/// Text for XML, in attributes and between tags (XML 1.0, section 2.2).
fn xml(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            other => out.push(other),
        }
    }
    out
}
