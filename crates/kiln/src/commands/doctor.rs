//! `kiln doctor`: what this machine offers.

use std::process::ExitCode;

use super::Context;
use crate::ui::{self, report::Report};

/// Check what this machine offers, and say how to get more
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// Prints a verdict for each check.
pub(crate) fn doctor(_: &Context, _: &DoctorArgs) -> Result<ExitCode, Report> {
    ui::print("not there yet\n")?;
    Ok(ExitCode::SUCCESS)
}
