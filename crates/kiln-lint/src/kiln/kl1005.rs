//! KL1005: copy what dependencies are installed from first, and the rest later.

use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::syntax::{InstructionKind, Source};

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1005",
    name: "copy-before-install",
    severity: Severity::Info,
    summary: "Copy what dependencies are installed from first, and the rest later",
    why: "Every change of any file makes the installation run again, because what lies below it has changed. With the lists alone copied first, it runs only when they change.",
    bad: "FROM node:22-slim\nWORKDIR /app\nCOPY . .\nRUN npm ci\n",
    good: "FROM node:22-slim\nWORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\n",
    check,
    ..Rule::BLANK
};

/// Program, verbs, and the files that it reads.
const INSTALLERS: [(&str, &[&str], &str); 10] = [
    (
        "npm",
        &["ci", "install", "i"],
        "package.json and package-lock.json",
    ),
    ("yarn", &["install"], "package.json and yarn.lock"),
    ("pnpm", &["install", "i"], "package.json and pnpm-lock.yaml"),
    ("pip", &["install"], "requirements.txt"),
    ("pip3", &["install"], "requirements.txt"),
    ("poetry", &["install"], "pyproject.toml and poetry.lock"),
    ("bundle", &["install"], "Gemfile and Gemfile.lock"),
    ("composer", &["install"], "composer.json and composer.lock"),
    ("go", &["mod"], "go.mod and go.sum"),
    (
        "mvn",
        &["dependency:go-offline", "dependency:resolve"],
        "pom.xml",
    ),
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    for view in &subject.views {
        let whole = |source: &Source| matches!(source, Source::Path(path) if matches!(path.text.as_str(), "." | "./"));
        let copied = view.instructions.iter().position(|one| match &one.kind {
            InstructionKind::Copy(copy) => copy.from.is_none() && copy.sources.iter().any(whole),
            _ => false,
        });
        let Some(copied) = copied else { continue };
        let runs = subject
            .runs()
            .iter()
            .filter(|run| run.view == view.position && !run.onbuild);
        let installs = |command: &crate::shell::Invocation| {
            INSTALLERS.iter().find(|(program, verbs, _)| {
                command.name == *program
                    && command
                        .args
                        .first()
                        .is_some_and(|arg| verbs.contains(&arg.text.as_str()))
                    && (!program.starts_with("pip") || command.has_flag(&["r", "requirement"]))
            })
        };
        let mut earlier = false;
        for run in runs {
            let Some((_, _, files)) = run.commands.iter().find_map(installs) else {
                continue;
            };
            if run.position < copied {
                earlier = true;
            } else if !earlier {
                report
                    .add(
                        view.instructions[copied].span,
                        "everything is copied before dependencies are installed",
                    )
                    .help(format!("copy {files} first, install, then copy the rest"));
                break;
            }
        }
    }
}
