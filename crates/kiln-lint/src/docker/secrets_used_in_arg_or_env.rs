//! `SecretsUsedInArgOrEnv`: the values of ARG and ENV stay in the image's history and config for everyone to read.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Word};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "SecretsUsedInArgOrEnv",
    name: "secrets-used-in-arg-or-env",
    severity: Severity::Warning,
    summary: "Sensitive data should not be used in the ARG or ENV commands",
    why: "Values of ARG and ENV can be read in the image's config and history by everyone who can pull it.",
    bad: "FROM debian:12\nARG API_TOKEN\n",
    good: "FROM debian:12\nRUN --mount=type=secret,id=token cat /run/secrets/token\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject.instructions() {
        let keys: Vec<&Word> = match &instruction.kind {
            InstructionKind::Arg(args) => args.iter().map(|arg| &arg.name).collect(),
            InstructionKind::Env(pairs) => pairs.iter().map(|pair| &pair.key).collect(),
            _ => continue,
        };
        for key in keys.into_iter().filter(|key| names_a_secret(&key.text)) {
            let name = instruction.kind.name();
            let message = format!("{name} {:?} may hold a secret", key.text);
            let help = "give it to RUN with --mount=type=secret".to_string();
            report.add_with_help(key.span, message, Some(help));
        }
    }
}

const SECRET: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];
const HARMLESS: [&str; 3] = ["public", "file", "version"];

/// Whether a part of the name between underscores is a word for secrets, and none says otherwise.
fn names_a_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let any = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    any(&SECRET) && !any(&HARMLESS)
}
