//! DL3020: use COPY for files and directories.

use super::paths;
use crate::finding::Edit;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3020",
    name: "copy-not-add",
    severity: Severity::Error,
    summary: "Use COPY for files and directories",
    why: "ADD fetches addresses and unpacks archives, so that what it does depends on what it is given; COPY only copies.",
    bad: "FROM debian:12\nADD src /app/\n",
    good: "FROM debian:12\nCOPY src /app/\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written() {
        let InstructionKind::Add(add) = &instruction.kind else {
            continue;
        };
        let plain = |source: &Source| match source {
            Source::Path(path) => {
                let path = paths::unquoted(&path.text);
                !paths::is_archive(path) && !paths::is_remote(path)
            }
            Source::Heredoc(_) => true,
        };
        if !add.sources.iter().any(plain) {
            continue;
        }
        let finding = report.add(instruction.keyword.span, "ADD of what COPY would copy");
        finding.help("write COPY");
        let add_only = add.checksum.is_some() || add.unpack.is_some() || add.keep_git_dir.is_some();
        let sure = |source: &Source| match source {
            Source::Path(path) => {
                plain(source) && !path.has_variable() && !path.text.contains(['*', '?', '['])
            }
            Source::Heredoc(_) => true,
        };
        if !add_only && add.sources.iter().all(sure) {
            let lower = instruction
                .keyword
                .text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase());
            let word = if lower { "copy" } else { "COPY" };
            // A file of any name may be an archive by its content.
            finding.suggest(
                "write COPY",
                vec![Edit::replace(instruction.keyword.span, word)],
            );
        }
    }
}
