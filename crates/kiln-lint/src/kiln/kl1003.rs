//! KL1003: compilers do not belong into the image that is shipped.

use crate::finding::Report;
use crate::hadolint::commands;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1003",
    name: "tools-in-image",
    severity: Severity::Info,
    summary: "Compilers do not belong into the image that is shipped",
    why: "They are hundreds of megabytes that the program does not need, and all that an attacker needs. Build in one stage, copy the result into another.",
    bad: "FROM debian:12\nRUN apt-get update && apt-get install -y --no-install-recommends build-essential=12.9\n",
    good: "FROM debian:12 AS build\nRUN apt-get update && apt-get install -y --no-install-recommends build-essential=12.9\nFROM debian:12\nCOPY --from=build /app /app\n",
    check,
    ..Rule::BLANK
};

const TOOLS: [&str; 16] = [
    "autoconf",
    "automake",
    "build-base",
    "build-essential",
    "cargo",
    "clang",
    "cmake",
    "g++",
    "gcc",
    "golang",
    "make",
    "maven",
    "meson",
    "ninja-build",
    "openjdk-17-jdk",
    "rustc",
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    let last = subject.views.len().saturating_sub(1);
    for (run, command) in commands(subject).filter(|(run, _)| run.view == last && !run.onbuild) {
        let installs = command.is(&["apt-get", "apt", "apk", "yum", "dnf", "microdnf", "zypper"])
            && command.has(&["install", "add", "in"]);
        let tools: Vec<&str> = command
            .args
            .iter()
            .map(|arg| {
                arg.text
                    .split(['=', '~', '<', '>'])
                    .next()
                    .unwrap_or_default()
            })
            .filter(|name| TOOLS.contains(name))
            .collect();
        let removed = run.commands.iter().any(|one| {
            one.has(&["purge", "remove", "del", "autoremove", "erase"]) && one.name == command.name
        });
        if installs && !tools.is_empty() && !removed {
            report
                .add(
                    run.place(command.span),
                    format!("{} stays in the image", tools.join(", ")),
                )
                .help("build in a stage of its own: FROM … AS build, then COPY --from=build");
        }
    }
}
