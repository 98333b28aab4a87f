//! KL1020: A build cannot set kernel parameters.

use crate::finding::Report;
use crate::hadolint::commands;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1020",
    name: "sysctl-in-build",
    severity: Severity::Error,
    summary: "A build cannot set kernel parameters",
    why: "They belong to the kernel or to a running container, not to a file system: nothing of it is in the image. `docker run --sysctl` and `securityContext.sysctls` of Kubernetes set them.",
    bad: "FROM debian:12\nRUN sysctl -w net.core.somaxconn=1024\n",
    good: "FROM debian:12\nRUN true\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let sets = command.has_flag(&["w", "write", "p", "load"])
            || command.args.iter().any(|arg| arg.text.contains('='));
        if command.is(&["sysctl", "/sbin/sysctl", "/usr/sbin/sysctl"]) && sets {
            report
                .add(
                    run.place(command.span),
                    "the image does not keep kernel parameters",
                )
                .help("set them where the container is started: docker run --sysctl");
        }
    }
}
