//! KL1007: secrets must not reach a layer or the history.

use crate::finding::Report;
use crate::hadolint::{commands, paths};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1007",
    name: "secret-in-layer",
    severity: Severity::Warning,
    summary: "Secrets must not reach a layer or the history",
    why: "Everyone who can pull the image can read every layer and every command, what a later layer deletes too.",
    bad: "FROM debian:12\nCOPY id_rsa /root/.ssh/\n",
    good: "FROM debian:12\nRUN --mount=type=ssh git clone git@example.com:team/app.git\n",
    check,
    ..Rule::BLANK
};

const FILES: [&str; 14] = [
    ".env",
    ".git-credentials",
    ".htpasswd",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    "credentials.json",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
    "kubeconfig",
    "service-account.json",
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.written_and_triggers() {
        let sources = match &instruction.kind {
            InstructionKind::Copy(copy) if copy.from.is_none() => &copy.sources,
            InstructionKind::Add(add) => &add.sources,
            _ => continue,
        };
        for source in sources {
            let Source::Path(path) = source else { continue };
            let name = paths::base_name(paths::unquoted(&path.text));
            if FILES.contains(&name) || name.ends_with(".pfx") || name.ends_with(".p12") {
                report
                    .add(path.span, format!("{name} mostly holds a secret"))
                    .help("give it to RUN with --mount=type=secret");
            }
        }
    }
    for (run, command) in commands(subject) {
        let secret = command
            .args
            .iter()
            .find(|arg| arg.fixed && holds_password(&arg.text));
        if let Some(arg) = secret {
            report
                .add(run.place(arg.span), "a password stands in the command")
                .help("read it from a secret: --mount=type=secret");
        }
    }
}

/// `https://user:password@host`.
fn holds_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    host.rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
}
