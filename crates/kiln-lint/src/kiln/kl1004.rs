//! KL1004: A context that is copied whole needs a .dockerignore.

use crate::facts::{ContextFacts, Facts};
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1004",
    name: "ignore-file",
    severity: Severity::Info,
    summary: "A context that is copied whole needs a .dockerignore",
    why: "Without one, everything beside the Dockerfile goes into the build and the image: the history of the repository, installed packages, keys.",
    bad: "FROM debian:12\nCOPY . /app/\n",
    good: "FROM debian:12\nCOPY src /app/\n",
    example_facts,
    check,
    ..Rule::BLANK
};

/// What nobody wants in an image, and why.
const UNWANTED: [(&str, &str); 12] = [
    (".git/", "the history of the repository"),
    ("node_modules/", "installed packages"),
    (".venv/", "a Python environment"),
    ("target/", "what was built"),
    (".env", "settings, and often secrets"),
    (".aws/", "credentials"),
    (".ssh/", "keys"),
    (".npmrc", "often a token"),
    (".terraform/", "the state of Terraform"),
    ("id_rsa", "a key"),
    ("id_ed25519", "a key"),
    (".DS_Store", "nothing of use"),
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(context) = &subject.facts.context else {
        return;
    };
    let whole = |source: &Source| matches!(source, Source::Path(path) if matches!(path.text.as_str(), "." | "./" | "./." | "*" | "./*"));
    let copies = subject.written().find(|one| match &one.kind {
        InstructionKind::Copy(copy) => copy.from.is_none() && copy.sources.iter().any(whole),
        InstructionKind::Add(add) => add.sources.iter().any(whole),
        _ => false,
    });
    let Some(copy) = copies else { return };
    let ignore = context
        .ignore
        .as_ref()
        .and_then(|text| IgnoreFile::parse(text.as_bytes()).ok());
    let sent = |name: &str| {
        let there = context.entries.iter().any(|entry| entry == name);
        let ignored = ignore
            .as_ref()
            .is_some_and(|file| file.is_ignored(name.trim_end_matches('/'), false));
        there && !ignored
    };
    let found: Vec<String> = UNWANTED
        .iter()
        .filter(|(name, _)| sent(name))
        .map(|(name, what)| format!("{name} ({what})"))
        .collect();
    if !found.is_empty() {
        let finding = report.add(
            copy.span,
            format!("the whole context is copied, with {}", found.join(", ")),
        );
        finding.help(match context.ignore {
            Some(_) => "add them to the .dockerignore",
            None => "write a .dockerignore",
        });
    }
}

fn example_facts() -> Facts {
    let context = ContextFacts {
        entries: vec![".git/".to_string(), "src/".to_string()],
        ..ContextFacts::default()
    };
    Facts {
        context: Some(context),
        ..Facts::default()
    }
}
