//! DL3009: remove the package lists that apt-get update fetched.

use super::images;
use super::packages;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3009",
    name: "remove-apt-lists",
    severity: Severity::Info,
    summary: "Remove the package lists that apt-get update fetched",
    why: "The lists are some 20 MB that nobody needs in the image, and are stale the next day. What one RUN leaves, a later one cannot take out of the layer.",
    bad: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends curl=7.88.1-10+deb12u8\n",
    good: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends curl=7.88.1-10+deb12u8 && rm -rf /var/lib/apt/lists/*\n",
    check,
    ..Rule::BLANK
};

const LISTS: [&str; 3] = [
    "/var/lib/apt/lists/*",
    "/var/lib/apt/lists",
    "/var/lib/apt/*",
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    for run in subject.runs() {
        let update = run
            .commands
            .iter()
            .find(|one| one.is(&["apt-get", "apt", "aptitude"]) && one.has(&["update"]));
        let Some(update) = update.filter(|_| images::is_kept(subject, run.view)) else {
            continue;
        };
        let mounted = run.mounts("/var/lib/apt/lists")
            || (run.mounts("/var/lib/apt") && run.mounts("/var/cache/apt"));
        if mounted || packages::removes(run, &LISTS) {
            continue;
        }
        let finding = report.add(
            run.place(update.span),
            "the package lists stay in the layer",
        );
        finding.help("end the RUN with `rm -rf /var/lib/apt/lists/*`");
        if let Some(edit) = packages::append(
            run,
            packages::joinable_end(run),
            " && rm -rf /var/lib/apt/lists/*",
        ) {
            finding.fix("remove the package lists in the same RUN", vec![edit]);
        }
    }
}
