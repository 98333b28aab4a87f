//! DL3047: use wget --progress.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3047",
    name: "wget-progress",
    severity: Severity::Info,
    summary: "Use wget --progress",
    why: "wget draws its progress bar line by line into the log of the build.",
    bad: "FROM debian:12\nRUN wget https://example.com/a.tar.gz\n",
    good: "FROM debian:12\nRUN wget --progress=dot:giga https://example.com/a.tar.gz\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let quiet = [
        "progress",
        "q",
        "quiet",
        "nv",
        "no-verbose",
        "o",
        "output-file",
        "a",
        "append-output",
    ];
    for (run, command) in commands(subject) {
        if command.is(&["wget"]) && !command.has_flag(&quiet) {
            let finding = report.add(
                run.place(command.span),
                "wget fills the log with its progress",
            );
            finding.help("add --progress=dot:giga");
            if let Some(edit) =
                packages::insertion(run, command.name_span.end, " --progress=dot:giga")
            {
                finding.fix("add --progress=dot:giga", vec![edit]);
            }
        }
    }
}
