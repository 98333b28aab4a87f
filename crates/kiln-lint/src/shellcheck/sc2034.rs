//! SC2034: A variable is set and never used.

use super::scripts;
use super::variables::Variables;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2034",
    name: "unused-variable",
    severity: Severity::Warning,
    summary: "A variable is set and never used",
    why: "It may be a slip in its name, or should have been exported.",
    bad: "FROM debian:12\nRUN version=1; echo \"$verson\"\n",
    good: "FROM debian:12\nRUN version=1; echo \"$version\"\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in scripts(subject) {
        let variables = Variables::of(run);
        let sourced = run
            .commands
            .iter()
            .any(|command| command.is(&[".", "source", "eval"]));
        for (name, span) in &variables.plain {
            let used = variables.used.contains(name)
                || variables.exported.contains(name)
                || run.variables.contains(name);
            if !used
                && !sourced
                && !matches!(name.as_str(), "PATH" | "IFS" | "HOME" | "LANG" | "LC_ALL")
            {
                report.add(run.place(*span), format!("{name} is never used"));
            }
        }
    }
}
