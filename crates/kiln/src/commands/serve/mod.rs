//! `kiln serve`: a registry.

mod check_config;
mod reset_admin;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kiln_registry::config::Config;
use kiln_registry::{Level, Log, Server, ServerHandle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use crate::ui::{self, report::Report};

/// Run a registry: images can be pushed to it and pulled from it
///
/// Standard output gets a line of JSON for each request. SIGTERM and Ctrl-C end it when running
/// requests are done; SIGHUP reads the certificate again.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServeArgs {
    #[command(subcommand)]
    command: Option<ServeCommand>,
    /// The settings; `kiln serve check-config --defaults` prints such a file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on, instead of those in the file; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Where blobs and the database live [default: `registry` in kiln's home]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// No accounts: everybody may do everything. On loopback addresses only
    #[arg(long)]
    open: bool,
    /// Make a certificate for trying out, and use TLS
    #[arg(long)]
    self_signed: bool,
}

#[derive(Debug, clap::Subcommand)]
enum ServeCommand {
    CheckConfig(check_config::CheckConfigArgs),
    ResetAdmin(reset_admin::ResetAdminArgs),
}

/// File descriptors that are not for connections: the database, blobs that are read and written.
const OTHER_FILES: u64 = 256;

/// Serves until a signal ends it.
pub(crate) fn serve(context: &Context, args: &ServeArgs) -> Result<ExitCode, Report> {
    match &args.command {
        Some(ServeCommand::CheckConfig(args)) => return check_config::check_config(context, args),
        Some(ServeCommand::ResetAdmin(args)) => return reset_admin::reset_admin(context, args),
        None => {}
    }
    let mut config = settings(context, args)?;
    limit_connections(&mut config);
    let data = data_directory(context, &config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let log = Log::to(std::io::stdout())?;
    runtime.block_on(async {
        let is_open = config.open;
        let (server, administrator) = Server::open(config, &data, log.clone()).await?;
        // Whoever reads the greeting may send a signal at once.
        obey_signals(server.handle(), log)?;
        greet(&server, is_open);
        if let Some(administrator) = administrator
            && let Some(password) = administrator.password
        {
            ui::note(&format!(
                "an administrator was made; this is shown only once:\n  name:     {}\n  password: {password}",
                administrator.name
            ));
        }
        server.run().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// The file's settings, or the defaults, with what the command line says instead.
fn settings(context: &Context, args: &ServeArgs) -> Result<Config, Report> {
    let mut config = load(context, args.config.as_deref(), args.data.as_deref())?;
    if !args.listen.is_empty() {
        config.listen.clone_from(&args.listen);
    }
    config.open |= args.open;
    config.tls.self_signed |= args.self_signed;
    Ok(config)
}

/// A file's settings, or the defaults, with another directory if one is named.
fn load(context: &Context, file: Option<&Path>, data: Option<&Path>) -> Result<Config, Report> {
    let mut config = match file {
        Some(path) => Config::load(&context.environment.absolute(path))?,
        None => Config::default(),
    };
    if let Some(data) = data {
        config.data = Some(context.environment.absolute(data));
    }
    Ok(config)
}

fn data_directory(context: &Context, config: &Config) -> PathBuf {
    let data = config.data.clone();
    data.unwrap_or_else(|| context.environment.home.join("registry"))
}

/// Raises the number of files that may be open to what is allowed, and takes no more connections than
/// that is good for.
fn limit_connections(config: &mut Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // If it may not be raised, the old limit holds, and is what is looked at below.
    let _ = setrlimit(Resource::Nofile, raised);
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return;
    };
    // A connection may have a blob open, too.
    let connections = usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(usize::MAX);
    config.limits.connections = config.limits.connections.min(connections.max(1));
}

fn greet(server: &Server, is_open: bool) {
    let scheme = if server.uses_tls() { "https" } else { "http" };
    for address in server.addresses() {
        ui::note(&format!("listening on {scheme}://{address}"));
    }
    if let Some(certificate) = server.own_certificate() {
        ui::note(&format!(
            "clients must trust the certificate {}",
            certificate.display()
        ));
    }
    if is_open {
        ui::note("there are no accounts: everybody who reaches it may do everything");
    }
}

/// Ends the server on SIGTERM and SIGINT, and the process at the second of them.
fn obey_signals(handle: ServerHandle, log: Log) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut is_ending = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {
                    reload(&handle, &log);
                    continue;
                }
            }
            if is_ending {
                handle.cut_off();
            }
            is_ending = true;
            handle.stop();
        }
    });
    Ok(())
}

fn reload(handle: &ServerHandle, log: &Log) {
    match handle.reload_certificate() {
        Ok(()) => log.event(Level::Info, "certificate read again", &[]),
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text.push_str(&format!(": {error}"));
                cause = error.source();
            }
            log.event(Level::Error, "certificate kept", &[("error", &text)]);
        }
    }
}
