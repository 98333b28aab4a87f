//! DL3026: bases come from trusted registries only.

use super::images;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3026",
    name: "trusted-registry",
    severity: Severity::Error,
    summary: "Bases come from trusted registries only",
    why: "Whoever owns the registry owns the image. The configuration says whom you trust.",
    bad: "FROM example.com/debian:12\n",
    good: "FROM debian:12\n",
    example_config: "trustedRegistries:\n  - docker.io\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let trusted = &subject.options.trusted_registries;
    if trusted.is_empty() {
        return;
    }
    for (stage, image) in images::bases(subject) {
        if image.stage || image.name == "scratch" {
            continue;
        }
        let registry = image.registry.unwrap_or("docker.io");
        let hub = matches!(registry, "docker.io" | "hub.docker.com" | "index.docker.io");
        let fits = |pattern: &String| {
            matches(pattern, registry)
                || (hub && matches!(pattern.as_str(), "docker.io" | "hub.docker.com"))
        };
        if !trusted.iter().any(fits) {
            report
                .add(
                    stage.from.image.span,
                    format!("{registry} is not among the trusted registries"),
                )
                .help(format!("trusted are {}", trusted.join(", ")));
        }
    }
}

/// `*` at the beginning or at the end stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (None, Some(start)) => name.starts_with(start),
        (None, None) => name == pattern,
    }
}
