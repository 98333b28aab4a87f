//! An analysis as Markdown, for a comment on a merge request.
//!
//! Source: GitHub Flavored Markdown 0.29. Names come from images and may hold anything: what would be
//! markup is escaped.

use super::text::{by_cause, layers, summary};
use super::{Bytes, files, line};
use crate::analysis::Analysis;
use crate::cause::Language;

/// How many findings are listed.
const FINDINGS: usize = 20;

/// The report.
#[must_use]
pub fn render(analysis: &Analysis) -> String {
    let lines = summary(analysis);
    let (name, facts) = lines.split_first().expect("because a summary has a name");
    let mut out = format!("## {}\n\n", escape(name));
    for fact in facts {
        let (key, value) = fact.split_at(12.min(fact.len()));
        out.push_str(&format!("- **{}**: {}\n", key.trim(), escape(value)));
    }
    if !analysis.causes.is_empty() {
        out.push_str("\n### What could be saved\n\n");
        out.push_str(&by_cause(analysis).markdown());
        out.push_str("\n### Where\n\n");
        for finding in analysis.findings.iter().take(FINDINGS) {
            out.push_str(&format!(
                "- **{}** {}, {} in layer {}",
                Bytes(finding.amount.bytes),
                finding.cause.title(Language::English),
                files(finding.amount.files),
                finding.layer,
            ));
            if finding.by != finding.layer {
                out.push_str(&format!(", by layer {}", finding.by));
            }
            if let Some(step) = &finding.step {
                out.push_str(&format!(": {}", escape(&line(step, 120))));
            }
            out.push_str(&format!("\n  - fix: {}\n", escape(&finding.fix)));
            for example in finding.examples.iter().take(2) {
                let example = super::text::example_line(example);
                out.push_str(&format!("  - {}\n", escape(&example)));
            }
        }
    }
    out.push_str("\n### Layers\n\n");
    out.push_str(&layers(analysis, 80).markdown());
    out
}

/// The text with nothing in it that Markdown or HTML would take for markup.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(character);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
