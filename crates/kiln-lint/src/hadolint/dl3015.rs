//! DL3015: use apt-get install --no-install-recommends.

use super::commands;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3015",
    name: "no-recommends",
    severity: Severity::Info,
    summary: "Use apt-get install --no-install-recommends",
    why: "Recommended packages often double what is installed, and hardly ever serve in a container.",
    bad: "FROM debian:12\nRUN apt-get update && apt-get install -y curl=7.88.1-10+deb12u8 && rm -rf /var/lib/apt/lists/*\n",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends curl=7.88.1-10+deb12u8 && rm -rf /var/lib/apt/lists/*\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        if !command.is(&["apt-get"]) || !command.has(&["install"]) {
            continue;
        }
        let switched_off = command.args.iter().any(|arg| {
            let text = arg.text.to_ascii_lowercase();
            let value = text
                .split_once("install-recommends=")
                .map(|(_, value)| value);
            matches!(value, Some("false" | "0" | "no"))
        });
        if switched_off || command.has_flag(&["no-install-recommends"]) {
            continue;
        }
        let finding = report.add(
            run.place(command.span),
            "recommended packages are installed too",
        );
        if let Some(edit) = packages::flag_edit(run, command, "install", "--no-install-recommends")
        {
            finding.suggest("add --no-install-recommends", vec![edit]);
        }
        finding.help("add --no-install-recommends");
    }
}
