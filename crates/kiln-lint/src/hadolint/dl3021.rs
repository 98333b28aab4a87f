//! DL3021: COPY of several files needs a destination that ends in a slash.

use super::paths;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3021",
    name: "copy-to-directory",
    severity: Severity::Error,
    summary: "COPY of several files needs a destination that ends in a slash",
    why: "Several files can only go into a directory, and only the slash says that it is one.",
    bad: "FROM debian:12\nCOPY one two /app\n",
    good: "FROM debian:12\nCOPY one two /app/\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        if let InstructionKind::Copy(copy) = &instruction.kind
            && copy.sources.len() > 1
            && !paths::unquoted(&copy.dest.text).ends_with('/')
        {
            report
                .add(
                    copy.dest.span,
                    "the destination of several files must end in /",
                )
                .help(format!("write {}/", copy.dest.text));
        }
    }
}
