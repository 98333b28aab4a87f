//! DL3064: do not put secrets into ARG or ENV.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Word};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3064",
    name: "no-secrets",
    severity: Severity::Warning,
    summary: "Do not put secrets into ARG or ENV",
    why: "The values can be read in the image's config and history by everyone who can pull it.",
    bad: "FROM debian:12\nENV API_TOKEN=hunter2\n",
    good: "FROM debian:12\nRUN --mount=type=secret,id=token cat /run/secrets/token\n",
    same: &["SecretsUsedInArgOrEnv"],
    check,
    ..Rule::BLANK
};

const SECRET: [&str; 7] = [
    "PASSWORD",
    "SECRET",
    "TOKEN",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIALS_",
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    for instruction in subject
        .file
        .global_args
        .iter()
        .chain(subject.written_and_triggers())
    {
        let keys: Vec<&Word> = match &instruction.kind {
            InstructionKind::Arg(args) => args.iter().map(|arg| &arg.name).collect(),
            InstructionKind::Env(pairs) => pairs.iter().map(|pair| &pair.key).collect(),
            _ => continue,
        };
        for key in keys {
            if SECRET.iter().any(|word| key.text.contains(word))
                && !key.text.ends_with("TOKEN_FILE")
            {
                report
                    .add(key.span, format!("{:?} may hold a secret", key.text))
                    .help("give it to RUN with --mount=type=secret");
            }
        }
    }
}
