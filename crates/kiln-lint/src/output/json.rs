//! JSON: an array with one object for each finding.
//!
//! The keys `file`, `line`, `column`, `code`, `level` and `message` are hadolint's, and mean what they mean
//! there (the line is that of the instruction), so that programs written for it go on working. `start`,
//! `end`, `rule`, `page`, `help` and `fix` are kiln's: exact places, as lines and columns from 1 and as
//! byte offsets. Keys may be added, and never change their meaning.

use super::{Linted, line_of};
use crate::finding::Finding;
use kiln_dockerfile::SourceFile;
use serde_json::{Value, json};

pub(super) fn json(files: &[Linted]) -> String {
    let all: Vec<Value> = files
        .iter()
        .flat_map(|file| {
            file.findings
                .iter()
                .map(|finding| record(&file.source, finding))
        })
        .collect();
    format!("{}\n", Value::Array(all))
}

fn record(source: &SourceFile, finding: &Finding) -> Value {
    let place = |offset: usize| {
        let position = source.position(offset);
        json!({"line": position.line, "column": position.column, "byte": offset})
    };
    let mut value = json!({
        "file": source.name,
        "line": line_of(source, finding),
        "column": source.position(finding.instruction.start).column,
        "code": finding.rule.code,
        "level": finding.severity,
        "message": finding.message,
        "rule": finding.rule.name,
        "page": finding.rule.page(),
        "start": place(finding.span.start),
        "end": place(finding.span.end),
    });
    if let Some(help) = &finding.help {
        value["help"] = json!(help);
    }
    if let Some(fix) = &finding.fix {
        value["fix"] = json!(fix);
    }
    value
}
