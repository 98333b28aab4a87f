//! KL1015: downloads should be for the architecture that is built for.

use crate::finding::Report;
use crate::hadolint::commands;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1015",
    name: "one-architecture",
    severity: Severity::Info,
    summary: "Downloads should be for the architecture that is built for",
    why: "The address names a processor. A build for another platform gets a program that does not run there; `TARGETARCH` says which one is meant.",
    bad: "FROM debian:12\nRUN curl -fsSLO https://example.com/tool-linux-amd64.tar.gz\n",
    good: "FROM debian:12\nARG TARGETARCH\nRUN curl -fsSLO https://example.com/tool-linux-${TARGETARCH}.tar.gz\n",
    check,
    ..Rule::BLANK
};

const NAMES: [&str; 7] = [
    "amd64", "x86_64", "x86-64", "arm64", "aarch64", "armv7", "armhf",
];

fn names_one(text: &str) -> bool {
    text.contains("://") && NAMES.iter().any(|name| text.contains(name))
}

fn check(subject: &Subject<'_>, report: &mut Report) {
    let message = "this address is for one architecture only";
    let help = "use the build argument TARGETARCH";
    for (run, command) in commands(subject) {
        // A script that asks which machine it is on has thought of it.
        let asks = run.commands.iter().any(|one| {
            one.is(&["uname", "dpkg", "arch", "apk"])
                && one.has_flag(&["m", "print-architecture", "print-arch"])
        });
        let fetches = command.is(&["curl", "wget"]);
        if let Some(arg) = command
            .args
            .iter()
            .find(|arg| fetches && !asks && names_one(&arg.text))
            && !run.text.contains("TARGETARCH")
        {
            report.add(run.place(arg.span), message).help(help);
        }
    }
    for instruction in subject.written() {
        let InstructionKind::Add(add) = &instruction.kind else {
            continue;
        };
        for source in &add.sources {
            if let Source::Path(path) = source
                && names_one(&path.text)
            {
                report.add(path.span, message).help(help);
            }
        }
    }
}
