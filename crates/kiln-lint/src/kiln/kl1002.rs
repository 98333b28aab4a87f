//! KL1002: caches of npm, cargo and go should not stay in a layer.

use crate::finding::Report;
use crate::hadolint::commands;
use crate::hadolint::images;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1002",
    name: "cache-in-layer",
    severity: Severity::Info,
    summary: "Caches of npm, cargo and go should not stay in a layer",
    why: "What was fetched for the build stays in the image, where nobody needs it. A cache mount keeps it out of the layer, and makes the next build faster too.",
    bad: "FROM node:22-slim\nCOPY package.json package-lock.json /app/\nRUN npm ci --prefix /app\n",
    good: "FROM node:22-slim\nCOPY package.json package-lock.json /app/\nRUN --mount=type=cache,target=/root/.npm npm ci --prefix /app\n",
    check,
    ..Rule::BLANK
};

/// Program, verbs, parts of the path that a cache mount has, and the path to propose.
const CACHES: [(&str, &[&str], &[&str], &str); 3] = [
    ("npm", &["ci", "install", "i"], &[".npm"], "/root/.npm"),
    (
        "cargo",
        &["build", "install", "fetch"],
        &["cargo"],
        "/usr/local/cargo/registry",
    ),
    (
        "go",
        &["build", "install", "get"],
        &["go", ".cache"],
        "/root/.cache/go-build",
    ),
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    for (run, command) in commands(subject) {
        let cache = CACHES.iter().find(|(program, verbs, ..)| {
            command.is(&[program])
                && command
                    .args
                    .first()
                    .is_some_and(|verb| verbs.contains(&verb.text.as_str()))
        });
        let Some((program, _, paths, target)) = cache else {
            continue;
        };
        let mounted = run
            .mount_targets()
            .any(|mount| paths.iter().any(|path| mount.contains(path)));
        let cleaned = run
            .commands
            .iter()
            .any(|one| one.is(&[program]) && one.has(&["clean", "cache"]))
            || run.commands.iter().any(|one| {
                one.is(&["rm"])
                    && one
                        .args
                        .iter()
                        .any(|arg| paths.iter().any(|path| arg.text.contains(path)))
            });
        if images::is_kept(subject, run.view) && !mounted && !cleaned {
            report
                .add(
                    run.place(command.span),
                    format!("{program} leaves its cache in the layer"),
                )
                .help(format!("write RUN --mount=type=cache,target={target}"));
        }
    }
}
