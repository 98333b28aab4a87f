//! SC2154: A variable is used and never set.

use super::scripts;
use super::variables::Variables;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use std::collections::BTreeSet;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SC2154",
    name: "unassigned-variable",
    severity: Severity::Warning,
    summary: "A variable is used and never set",
    why: "It is empty, unless the base image sets it. Names in capitals are taken to come from the environment.",
    bad: "FROM debian:12\nRUN echo \"$verson\"\n",
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
        let mut told = BTreeSet::new();
        for (name, span) in &variables.bare_uses {
            let lower = name.bytes().any(|byte| byte.is_ascii_lowercase());
            let known = variables.assigned.contains_key(name)
                || run.variables.contains(name)
                || PROXIES.contains(&name.as_str());
            if lower
                && !known
                && !sourced
                && !variables.guarded.contains(name)
                && told.insert(name.clone())
            {
                report.add(run.place(*span), format!("{name} is never set"));
            }
        }
    }
}

/// Build arguments that every build has.
const PROXIES: [&str; 5] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
];
