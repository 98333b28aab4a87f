//! `SecretsUsedInArgOrEnv`: the values of ARG and ENV stay in the image's history and config for everyone to read.

use super::{Report, Rule, Subject};
use crate::syntax::{InstructionKind, Word};

/// See the module.
pub(super) struct SecretsUsedInArgOrEnv;

impl Rule for SecretsUsedInArgOrEnv {
    fn name(&self) -> &'static str {
        "SecretsUsedInArgOrEnv"
    }

    fn description(&self) -> &'static str {
        "Sensitive data should not be used in the ARG or ENV commands"
    }

    fn check(&self, subject: &Subject<'_>, report: &mut Report) {
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
