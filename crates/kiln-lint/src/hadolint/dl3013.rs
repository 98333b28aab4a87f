//! DL3013: pin versions in pip install.

use super::commands;
use super::packages;
use super::pip;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3013",
    name: "pin-pip",
    severity: Severity::Warning,
    summary: "Pin versions in pip install",
    why: "Without versions the same line installs other packages next week, whatever the cache says.",
    bad: "FROM python:3.12\nRUN pip install --no-cache-dir flask\n",
    good: "FROM python:3.12\nRUN pip install --no-cache-dir flask==3.0.3\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let from_elsewhere = ["r", "requirement", "c", "constraint", "e", "editable"];
        if !pip::installs(command) || command.name.starts_with("pipenv") {
            continue;
        }
        let from_file = command.args.iter().any(|arg| {
            let name = arg.text.split('=').next().unwrap_or_default();
            let bare = name.trim_start_matches('-');
            bare.len() < name.len() && from_elsewhere.contains(&bare)
        });
        if from_file {
            continue;
        }
        let names = command.operands(&pip::WITH_VALUE);
        let names: Vec<_> = names
            .into_iter()
            .skip_while(|arg| arg.text != "install")
            .collect();
        packages::report_unpinned(
            report,
            run,
            command,
            &names,
            "install",
            "flask==3.0.3",
            pip::is_pinned,
        );
    }
}
