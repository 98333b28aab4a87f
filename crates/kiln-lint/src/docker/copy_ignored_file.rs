//! `CopyIgnoredFile`: what the ignore file leaves out cannot be copied. A `!` pattern that may include something below the source makes the question undecidable here.

use crate::facts::Facts;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use crate::walk::WalkedStep;
use kiln_dockerfile::evaluate::{AddSource, CopySource, Evaluated};
use kiln_dockerfile::ignore::IgnoreFile;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "CopyIgnoredFile",
    name: "copy-ignored-file",
    severity: Severity::Warning,
    summary: "Attempting to COPY or ADD a file that is excluded by the ignore file",
    why: "The ignore file keeps this path out of the build context, so that the copy finds nothing.",
    bad: "FROM debian:12\nCOPY secrets /app/\n",
    good: "FROM debian:12\nCOPY sources /app/\n",
    example_facts,
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(ignore) = &subject.facts.ignore else {
        return;
    };
    for step in subject.stages.iter().flat_map(|stage| &stage.steps) {
        for path in local_sources(step) {
            let root = path.is_empty();
            if (root && !ignore.ignores_everything()) || ignore.may_include(path) {
                continue;
            }
            if root || ignore.is_ignored(path, false) {
                let name = step.instruction.kind.name();
                let shown = if root { "." } else { path };
                let message = format!("{name} of {shown:?}, which the ignore file excludes");
                report.add(step.instruction.span, message);
            }
        }
    }
}

/// The paths in the build context that a step takes.
fn local_sources<'a>(step: &'a WalkedStep) -> Vec<&'a str> {
    match &step.evaluated {
        Some(Evaluated::Copy(copy)) if copy.from.is_none() => {
            let path = |source: &'a CopySource| match source {
                CopySource::Path(path) => Some(path.path.as_str()),
                CopySource::Heredoc(_) => None,
            };
            copy.sources.iter().filter_map(path).collect()
        }
        Some(Evaluated::Add(add)) => {
            let path = |source: &'a AddSource| match source {
                AddSource::Local(path) => Some(path.path.as_str()),
                _ => None,
            };
            add.sources.iter().filter_map(path).collect()
        }
        _ => Vec::new(),
    }
}

fn example_facts() -> Facts {
    Facts {
        ignore: IgnoreFile::parse(b"secrets\n").ok(),
        ..Facts::default()
    }
}
