//! KL1018: ADD of an address needs a checksum.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1018",
    name: "add-without-checksum",
    severity: Severity::Info,
    summary: "ADD of an address needs a checksum",
    why: "What stands at the address may change; with --checksum the build fails instead of shipping it, and need not fetch it to know that nothing changed.",
    bad: "FROM debian:12\nADD https://example.com/tool.tar.gz /opt/\n",
    good: "FROM debian:12\nADD --checksum=sha256:4b825dc642cb6eb9a060e54bf8d69288fbee490400000000000000000000aaaa https://example.com/tool.tar.gz /opt/\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written_and_triggers() {
        let InstructionKind::Add(add) = &instruction.kind else {
            continue;
        };
        let address = add.sources.iter().find_map(|source| match source {
            Source::Path(path)
                if path.text.starts_with("http://") || path.text.starts_with("https://") =>
            {
                Some(path)
            }
            _ => None,
        });
        // A repository is named by its commit instead.
        let Some(path) =
            address.filter(|path| add.checksum.is_none() && !path.text.contains(".git"))
        else {
            continue;
        };
        report
            .add(path.span, "nothing says what must come from this address")
            .help("add --checksum=sha256:…");
    }
}
