//! `kiln logout`: forgets who one is at a registry.

use std::process::ExitCode;

use super::Context;
use super::login::{DEFAULT, host, kept};
use crate::registries;
use crate::ui::{self, report::Report};

/// Log out of a registry
#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {
    /// HOST or HOST:PORT
    #[arg(default_value = DEFAULT)]
    registry: String,
}

/// Forgets a login.
pub(crate) fn logout(context: &Context, args: &LogoutArgs) -> Result<ExitCode, Report> {
    let registry = host(&args.registry)?;
    let files = registries::credential_files(context);
    let line = match files.erase(registry).map_err(kept)? {
        true => format!("logged out of {registry}\n"),
        false => format!("not logged in to {registry}\n"),
    };
    ui::print(&line)?;
    Ok(ExitCode::SUCCESS)
}
