//! For people: the line with a caret, why it matters, and what to do.
//!
//! Several rules may say the same of one instruction, docker's and hadolint's above all; people are told
//! once, with all the codes.

use super::Linted;
use crate::finding::Finding;
use kiln_dockerfile::Diagnostic;

/// The findings of a file.
pub fn tty(file: &Linted) -> String {
    let mut out = String::new();
    for (at, finding) in file.findings.iter().enumerate() {
        let told = |other: &Finding| {
            other.instruction == finding.instruction && finding.rule.same.contains(&other.rule.code)
        };
        if file.findings.iter().any(told) {
            continue;
        }
        let same: Vec<&str> = file
            .findings
            .iter()
            .filter(|other| {
                other.instruction == finding.instruction
                    && other.rule.same.contains(&finding.rule.code)
            })
            .map(|other| other.rule.code)
            .collect();
        if at > 0 {
            out.push('\n');
        }
        out.push_str(&one(file, finding, &same));
    }
    out
}

fn one(file: &Linted, finding: &Finding, same: &[&str]) -> String {
    let rule = finding.rule;
    let diagnostic = Diagnostic {
        code: None,
        docs: None,
        ..finding.diagnostic()
    };
    let rendered = diagnostic.render(&file.source);
    // The renderer knows errors and warnings only.
    let codes = [&[rule.code], same].concat().join(", ");
    let place = file.source.position(finding.span.start);
    let prefix = format!("{}:{}:{}: ", file.source.name, place.line, place.column);
    let tail = rendered.strip_prefix(&prefix).unwrap_or(&rendered);
    let tail = tail.split_once(": ").map_or(tail, |(_, tail)| tail);
    let mut out = format!("{prefix}{}[{codes}]: {tail}", finding.severity);
    // As wide as the renderer makes its margin.
    let width = file
        .source
        .position(finding.span.end)
        .line
        .to_string()
        .len();
    out.push_str(&format!("{:width$} = why: {}\n", "", rule.why));
    if let Some(fix) = &finding.fix {
        let flag = if fix.safe { "--fix" } else { "--fix --unsafe" };
        out.push_str(&format!(
            "{:width$} = fix: {flag} would {}\n",
            "", fix.description
        ));
    }
    out.push_str(&format!("{:width$} = see: {}\n", "", rule.page()));
    out
}
