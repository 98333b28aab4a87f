//! DL3062: pin versions in go install.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3062",
    name: "pin-go",
    severity: Severity::Warning,
    summary: "Pin versions in go install",
    why: "Without a version, or with `latest`, the same line installs another program next week.",
    bad: "FROM golang:1.23\nRUN go install example.com/tool@latest\n",
    good: "FROM golang:1.23\nRUN go install example.com/tool@v1.2.3\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let verb = command.args.first().map(|arg| arg.text.as_str());
        let Some(verb) = verb.filter(|verb| matches!(*verb, "install" | "get" | "run")) else {
            continue;
        };
        if !command.is(&["go"]) {
            continue;
        }
        let names = command.operands(&[
            "tags", "ldflags", "gcflags", "asmflags", "mod", "modfile", "o", "p", "C", "exec",
        ]);
        // What follows the program of `go run` are the program's own arguments.
        let names = if verb == "run" {
            &names[..names.len().min(2)]
        } else {
            &names[..]
        };
        packages::report_unpinned(
            report,
            run,
            command,
            names,
            verb,
            "example.com/tool@v1.2.3",
            is_pinned,
        );
    }
}

fn is_pinned(name: &str) -> bool {
    let local = name.starts_with(['.', '/']) || name.ends_with(".go");
    local
        || name
            .split_once('@')
            .is_some_and(|(_, version)| !matches!(version, "latest" | "none"))
}
