//! GitLab's code quality report: a subset of Code Climate's issues, as one array.

use super::Linted;
use crate::finding::Finding;
use crate::rule::Severity;
use kiln_dockerfile::SourceFile;
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) fn gitlab(files: &[Linted]) -> String {
    let mut all: Vec<Value> = Vec::new();
    for file in files {
        // Two findings of one kind need different fingerprints, which must stay when lines above change.
        let mut seen: HashMap<String, usize> = HashMap::new();
        for finding in &file.findings {
            let key = format!(
                "{}\n{}\n{}",
                file.source.name, finding.rule.code, finding.message
            );
            let number = seen.entry(key.clone()).or_default();
            *number += 1;
            all.push(issue(&file.source, finding, &format!("{key}\n{number}")));
        }
    }
    format!("{}\n", Value::Array(all))
}

fn issue(source: &SourceFile, finding: &Finding, key: &str) -> Value {
    let severity = match finding.severity {
        Severity::Error => "critical",
        Severity::Warning => "major",
        Severity::Info => "minor",
        Severity::Style | Severity::Ignore => "info",
    };
    let (start, end) = (
        source.position(finding.span.start),
        source.position(finding.span.end),
    );
    json!({
        "type": "issue",
        "check_name": finding.rule.code,
        "description": finding.message,
        "fingerprint": format!("{:032x}", fingerprint(key.as_bytes())),
        "severity": severity,
        "location": {"path": source.name, "lines": {"begin": start.line, "end": end.line}},
    })
}

/// FNV-1a of 128 bits: no secret is kept here, texts only have to get different numbers.
fn fingerprint(bytes: &[u8]) -> u128 {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in bytes {
        hash ^= u128::from(*byte);
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    hash
}
