//! Reading the Dockerfile, and `--check`: the advice that needs no build.

use std::process::ExitCode;

use kiln_dockerfile::{Diagnostic, Dockerfile, Severity, SourceFile};

use super::BuildArgs;
use super::inputs::Inputs;
use crate::ui::{self, report::Report};

/// Parses the Dockerfile. Errors end the command here, each with its place; warnings are handed on.
pub(super) fn parse(source: &SourceFile) -> Result<(Dockerfile, Vec<Diagnostic>), Report> {
    let parsed = kiln_dockerfile::parse(source);
    let (errors, warnings): (Vec<_>, Vec<_>) = parsed
        .diagnostics
        .into_iter()
        .partition(|d| d.severity == Severity::Error);
    if errors.is_empty() {
        return Ok((parsed.file, warnings));
    }
    for error in &errors {
        ui::note(&error.render(source));
    }
    Err(Report::new(format!(
        "{} has {} error(s)",
        source.name,
        errors.len()
    )))
}

/// All advice, in source order.
pub(super) fn findings(
    inputs: &Inputs,
    dockerfile: &Dockerfile,
    mut findings: Vec<Diagnostic>,
    args: &BuildArgs,
) -> Vec<Diagnostic> {
    findings.extend(kiln_lint::check(
        &inputs.dockerfile,
        dockerfile,
        &inputs.check_facts(args),
    ));
    findings.sort_by_key(|finding| finding.span.start);
    findings
}

/// Prints all advice.
pub(super) fn show(source: &SourceFile, findings: &[Diagnostic]) -> Result<ExitCode, Report> {
    for finding in findings {
        ui::print(&format!("{}\n", finding.render(source)))?;
    }
    if findings.is_empty() {
        ui::print(&format!("{}: nothing to complain about\n", source.name))?;
    }
    verdict(findings)
}

/// The exit code is 1 if the file's own `# check=error=true` makes advice count.
pub(super) fn verdict(findings: &[Diagnostic]) -> Result<ExitCode, Report> {
    let counts = |finding: &Diagnostic| finding.severity == Severity::Error;
    match findings.iter().any(counts) {
        true => Err(Report::new(format!("{} finding(s)", findings.len()))),
        false => Ok(ExitCode::SUCCESS),
    }
}
