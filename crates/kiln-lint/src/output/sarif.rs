//! SARIF 2.1.0 (OASIS), as code hosts read it.

use super::Linted;
use crate::finding::Finding;
use crate::rule::{Rule, Severity};
use kiln_dockerfile::{SourceFile, Span};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn sarif(files: &[Linted]) -> String {
    let mut rules: BTreeMap<&str, &Rule> = BTreeMap::new();
    for finding in files.iter().flat_map(|file| &file.findings) {
        rules.insert(finding.rule.code, finding.rule);
    }
    let descriptors: Vec<Value> = rules.values().map(|rule| descriptor(rule)).collect();
    let results: Vec<Value> = files
        .iter()
        .flat_map(|file| {
            file.findings
                .iter()
                .map(|finding| result(&file.source, finding))
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kiln",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log}\n")
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": format!("{}\n\nInstead of:\n\n{}\nwrite:\n\n{}", rule.why, rule.bad, rule.good)},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info | Severity::Style => "note",
        Severity::Ignore => "none",
    }
}

fn region(source: &SourceFile, span: Span) -> Value {
    let (start, end) = (source.position(span.start), source.position(span.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
        "byteOffset": span.start,
        "byteLength": span.end - span.start,
    })
}

fn result(source: &SourceFile, finding: &Finding) -> Value {
    let artifact = json!({"uri": source.name});
    let mut value = json!({
        "ruleId": finding.rule.code,
        "level": level(finding.severity),
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": {
            "artifactLocation": artifact,
            "region": region(source, finding.span),
        }}],
    });
    if let Some(fix) = &finding.fix {
        let replacements: Vec<Value> = fix
            .edits
            .iter()
            .map(|edit| {
                json!({
                    "deletedRegion": region(source, Span::new(edit.start, edit.end)),
                    "insertedContent": {"text": edit.text},
                })
            })
            .collect();
        value["fixes"] = json!([{
            "description": {"text": fix.description},
            "artifactChanges": [{"artifactLocation": artifact, "replacements": replacements}],
        }]);
    }
    value
}
