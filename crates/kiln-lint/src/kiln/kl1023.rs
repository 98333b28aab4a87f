//! KL1023: apt-get update and apt-get install belong into one RUN.

use crate::finding::Report;
use crate::hadolint::packages;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1023",
    name: "update-alone",
    severity: Severity::Warning,
    summary: "apt-get update and apt-get install belong into one RUN",
    why: "The layer of `update` is cached: months later, `install` asks for versions in old lists that no server has any more.",
    bad: "FROM debian:12\nRUN apt-get update\nRUN apt-get install -y --no-install-recommends curl=7.88.1-10\n",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends curl=7.88.1-10\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in subject.runs().iter().filter(|run| !run.onbuild) {
        let apt = |verbs: &[&str]| {
            run.commands
                .iter()
                .find(|one| one.is(&["apt-get", "apt"]) && one.has(verbs))
        };
        let Some(update) = apt(&["update"]) else {
            continue;
        };
        let used = apt(&[
            "install",
            "upgrade",
            "dist-upgrade",
            "full-upgrade",
            "build-dep",
            "source",
            "download",
        ])
        .is_some();
        if !used && !packages::removes(run, &["/var/lib/apt/lists/*", "/var/lib/apt/lists"]) {
            report
                .add(
                    run.place(update.span),
                    "the lists are cached without what is installed from them",
                )
                .help("install in the same RUN");
        }
    }
}
