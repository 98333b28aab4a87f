//! DL3048: label keys should be well formed.

use super::paths;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3048",
    name: "label-key",
    severity: Severity::Style,
    summary: "Label keys should be well formed",
    why: "Keys are lower case, begin with a letter and end in a letter or digit, with single dots and dashes between; `com.docker.`, `io.docker.` and `org.dockerproject.` are docker's.",
    bad: "FROM debian:12\nLABEL Version=1\n",
    good: "FROM debian:12\nLABEL version=1\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        let InstructionKind::Label(pairs) = &instruction.kind else {
            continue;
        };
        for pair in pairs {
            let key = paths::unquoted(&pair.key.text);
            if !is_valid(key) {
                report.add(pair.key.span, format!("{key:?} is no good key for a label"));
            }
        }
    }
}

fn is_valid(key: &str) -> bool {
    let inside =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let reserved = ["com.docker.", "io.docker.", "org.dockerproject."];
    key.starts_with(|letter: char| letter.is_ascii_lowercase())
        && key.ends_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        && key.bytes().all(inside)
        && !key.contains("..")
        && !key.contains("--")
        && !reserved.iter().any(|start| key.starts_with(start))
}
