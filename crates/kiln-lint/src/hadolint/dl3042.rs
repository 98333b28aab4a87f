//! DL3042: use pip install --no-cache-dir.

use super::commands;
use super::packages;
use super::pip;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::shell::ShellRun;
use crate::subject::Subject;
use kiln_dockerfile::syntax::InstructionKind;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3042",
    name: "pip-no-cache",
    severity: Severity::Warning,
    summary: "Use pip install --no-cache-dir",
    why: "pip keeps what it fetched for the next time, which in an image never comes.",
    bad: "FROM python:3.12\nRUN pip install flask==3.0.3\n",
    good: "FROM python:3.12\nRUN pip install --no-cache-dir flask==3.0.3\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if !pip::installs(command)
            || command.is(&["pipx", "pipenv"])
            || command.has_flag(&["no-cache-dir"])
            || run
                .mount_targets()
                .any(|target| target.contains(".cache/pip"))
            || is_set(subject, run)
        {
            continue;
        }
        let finding = report.add(run.place(command.span), "pip leaves its cache in the layer");
        packages::offer_flag(finding, run, command, "install", "--no-cache-dir");
    }
}

/// Whether `PIP_NO_CACHE_DIR` is set, in the stage before or in the script.
fn is_set(subject: &Subject<'_>, run: &ShellRun<'_>) -> bool {
    let name = "PIP_NO_CACHE_DIR";
    let assigned = run.commands.iter().any(|command| {
        let exported =
            command.is(&["export"]) && command.args.iter().any(|arg| arg.text.starts_with(name));
        exported || command.assigned.iter().any(|one| one == name)
    });
    let value = subject.chain(run.view).into_iter().find_map(|view| {
        let until = if view.position == run.view {
            run.position
        } else {
            view.instructions.len()
        };
        let pairs = view.instructions[..until]
            .iter()
            .rev()
            .filter_map(|one| match &one.kind {
                InstructionKind::Env(pairs) => Some(pairs),
                _ => None,
            });
        let mut pairs = pairs.flatten();
        pairs
            .find(|pair| pair.key.text == name)
            .map(|pair| pair.value.text.clone())
    });
    let off = |value: &String| {
        let value = value.trim_matches(['"', '\'']).to_ascii_lowercase();
        matches!(value.as_str(), "" | "0" | "off" | "no" | "false")
    };
    assigned || value.is_some_and(|value| !off(&value))
}
