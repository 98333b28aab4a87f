//! `kiln serve check-config`: whether a server would start with a file of settings.

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_registry::config::{Config, DEFAULTS};
use kiln_registry::{check_backing, check_certificate};

use crate::commands::Context;
use crate::ui::{self, report::Report};

/// Say whether a configuration file is right
#[derive(Debug, clap::Args)]
pub(crate) struct CheckConfigArgs {
    /// The file
    #[arg(required_unless_present = "defaults")]
    file: Option<PathBuf>,
    /// Print a file with every setting, its default and what it does
    #[arg(long, conflicts_with = "file")]
    defaults: bool,
}

/// Reads the file, holds its settings against each other, and looks at the certificates and secrets
/// that it names. Nothing is changed, connected to or listened on.
pub(crate) fn check_config(context: &Context, args: &CheckConfigArgs) -> Result<ExitCode, Report> {
    let Some(file) = &args.file else {
        ui::print(DEFAULTS)?;
        return Ok(ExitCode::SUCCESS);
    };
    let config = Config::load(&context.environment.absolute(file))?;
    let findings = config.check();
    for finding in &findings {
        ui::note(&format!("{}: {finding}", file.display()));
    }
    if !findings.is_empty() {
        let report = Report::new(format!("{} is not right", file.display()));
        return Err(report.hint("`kiln serve check-config --defaults` explains every setting"));
    }
    check_certificate(&config)?;
    check_backing(&config)?;
    ui::print(&format!("{} is right\n", file.display()))?;
    Ok(ExitCode::SUCCESS)
}
