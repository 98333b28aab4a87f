//! `kiln completions`: for bash, zsh, fish, elvish and PowerShell.

use std::process::ExitCode;

use crate::cli;
use crate::ui::{self, report::Report};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<ExitCode, Report> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut cli::command(), "kiln", &mut script);
    ui::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
