//! `kiln fmt`: one layout for Dockerfiles, and never another build.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::lint::inputs::{self, Input};
use super::lint::{difference, replace};
use crate::ui::{self, report::Report};

/// Format Dockerfiles without changing what they build
#[derive(Debug, clap::Args)]
pub(crate) struct FmtArgs {
    /// Dockerfiles, or directories that have one; `-` formats standard input to standard output
    /// [default: the Dockerfile here]
    files: Vec<PathBuf>,
    /// Write nothing; exit with 1 if something would change
    #[arg(long)]
    check: bool,
    /// Show what changes
    #[arg(long)]
    diff: bool,
}

/// Formats every file.
pub(crate) fn fmt(context: &Context, args: &FmtArgs) -> Result<ExitCode, Report> {
    let mut changed = false;
    for Input { source, path } in inputs::files(&context.environment, &args.files, "-")? {
        let text = kiln_lint::format(&source);
        let differs = text != source.text();
        changed |= differs;
        if differs && (args.diff || (args.check && path.is_some())) {
            ui::print(&difference(&source, &text))?;
        }
        match path {
            Some(path) if differs && !args.check => replace(&path, &text)?,
            None if !args.check && !args.diff => ui::print(&String::from_utf8_lossy(&text))?,
            _ => {}
        }
    }
    Ok(ExitCode::from(u8::from(changed && args.check)))
}
