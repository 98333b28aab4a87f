//! KL1011: A smaller base may do.

use crate::finding::Report;
use crate::hadolint::images;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1011",
    name: "large-base",
    severity: Severity::Style,
    summary: "A smaller base may do",
    why: "The full images bring compilers, headers and version control along: several hundred megabytes that a program in the last stage does not need.",
    bad: "FROM python:3.12\nCMD [\"python\", \"-m\", \"app\"]\n",
    good: "FROM python:3.12-slim\nCMD [\"python\", \"-m\", \"app\"]\n",
    check,
    ..Rule::BLANK
};

/// Images whose plain tags are the full ones, and what is smaller.
const FULL: [(&str, &str); 8] = [
    (
        "golang",
        "build in one stage, and copy the program into scratch or distroless/static",
    ),
    (
        "rust",
        "build in one stage, and copy the program into distroless/cc",
    ),
    ("python", "the tag with -slim"),
    ("node", "the tag with -slim"),
    ("ruby", "the tag with -slim"),
    ("openjdk", "a JRE, such as eclipse-temurin with -jre"),
    (
        "maven",
        "build in one stage, and copy the archive into a JRE",
    ),
    (
        "gradle",
        "build in one stage, and copy the archive into a JRE",
    ),
];

fn check(subject: &Subject<'_>, report: &mut Report) {
    let bases = images::bases(subject);
    let Some((stage, image)) = bases.last() else {
        return;
    };
    let name = image.name.strip_prefix("docker.io/").unwrap_or(image.name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let tag = image.tag.unwrap_or_default();
    let small = ["slim", "alpine", "jre", "distroless", "nanoserver"]
        .iter()
        .any(|word| tag.contains(word));
    let full = FULL.iter().find(|(known, _)| *known == name);
    if let Some((_, smaller)) = full.filter(|_| !small && !image.stage) {
        report
            .add(
                stage.from.image.span,
                format!("{name} in its full form is the base of what is shipped"),
            )
            .help(format!("try {smaller}"));
    }
}
