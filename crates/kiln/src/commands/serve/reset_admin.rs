//! `kiln serve reset-admin`: a new password for the administrator, for who has the server's files but
//! no password any more.

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_registry::Server;

use crate::commands::Context;
use crate::ui::{self, report::Report};

/// Give the registry's administrator a new random password
///
/// It makes the account `admin` if it is not there, and an enabled administrator of it if it is none.
/// The old password, and all logins with it, end. A server that keeps its state in SQLite has to be
/// stopped first; one on PostgreSQL obeys within a second.
#[derive(Debug, clap::Args)]
pub(crate) struct ResetAdminArgs {
    /// The server's settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where its blobs and database live [default: `registry` in kiln's home]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Resets and prints the password, alone on standard output.
pub(crate) fn reset_admin(context: &Context, args: &ResetAdminArgs) -> Result<ExitCode, Report> {
    let config = super::load(context, args.config.as_deref(), args.data.as_deref())?;
    let data = super::data_directory(context, &config);
    if config.database.postgres.is_empty() && !data.join("registry.db").exists() {
        let report = Report::new(format!("there is no registry in {}", data.display()));
        return Err(report.hint("name its directory with --data, or its settings with --config"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let administrator = runtime.block_on(Server::reset_administrator(&config, &data))?;
    ui::note(&format!("the new password of {}:", administrator.name));
    ui::print(&format!(
        "{}\n",
        administrator.password.as_deref().unwrap_or_default()
    ))?;
    Ok(ExitCode::SUCCESS)
}
