//! The registry client, set up with what the surroundings say: proxies, certificates, logins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kiln_remote::credentials::ConfigFiles;
use kiln_remote::{Hosts, Remote, RemoteError, RemoteOptions, Warning};

use crate::commands::Context;
use crate::signals;
use crate::ui::{self, report::Report};

/// How a command speaks to registries.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RegistryArgs {
    /// Reach this registry (HOST or HOST:PORT) by plain HTTP; may be repeated. Registries on this machine are
    /// anyway
    #[arg(long, value_name = "HOST")]
    pub(crate) plain_http: Vec<String>,
    /// Do not check the certificate of this registry; may be repeated
    #[arg(long, value_name = "HOST")]
    pub(crate) insecure: Vec<String>,
}

/// Makes the client. Once `cancelled` is true, whatever it does ends soon.
///
/// # Errors
/// If certificates or settings of hosts cannot be used.
pub(crate) fn remote(
    context: &Context,
    args: &RegistryArgs,
    cancelled: Arc<AtomicBool>,
) -> Result<Remote, Report> {
    Remote::new(options(context, args, cancelled)).map_err(failed)
}

/// What the client is made from.
pub(crate) fn options(
    context: &Context,
    args: &RegistryArgs,
    cancelled: Arc<AtomicBool>,
) -> RemoteOptions {
    let environment = &context.environment;
    RemoteOptions {
        credentials: Arc::new(credential_files(context)),
        hosts: Hosts {
            plain_http: args.plain_http.clone(),
            folders: environment.hosts_directories.clone(),
            ..Hosts::default()
        },
        client: kiln_fetch::ClientOptions {
            proxies: environment.proxies.clone(),
            ca_certificates: environment.ca_certificates.iter().cloned().collect(),
            insecure_hosts: args.insecure.clone(),
            cancelled,
            ..kiln_fetch::ClientOptions::default()
        },
        on_warning: Some(Arc::new(|warning: &Warning| {
            ui::note(&format!("{} says: {}", warning.host, warning.text));
        })),
        ..RemoteOptions::default()
    }
}

/// The files in which logins are kept.
pub(crate) fn credential_files(context: &Context) -> ConfigFiles {
    let environment = &context.environment;
    ConfigFiles::new(environment.credential_files.clone())
        .helper_path(environment.program_folders.clone())
}

/// A failure at a registry, with what to do about it.
pub(crate) fn failed(error: RemoteError) -> Report {
    if matches!(error, RemoteError::Cancelled) {
        return Report::interrupted();
    }
    let hint = error.hint();
    let report = Report::from(error);
    hint.into_iter().fold(report, Report::hint)
}

/// A flag that Ctrl-C and a polite kill set; a second one ends kiln at once.
///
/// # Errors
/// If signals cannot be watched.
pub(crate) fn interruptible() -> Result<Arc<AtomicBool>, Report> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    signals::watch(move || !flag.swap(true, Ordering::Relaxed))?;
    Ok(cancelled)
}
