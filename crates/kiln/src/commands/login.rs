//! `kiln login`: who one is at a registry.

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;

use kiln_remote::credentials::{Credential, Fixed, Keeper};
use kiln_remote::{Remote, RemoteOptions};

use super::Context;
use crate::registries::{self, RegistryArgs};
use crate::ui::{self, prompt, report::Report};

/// The registry where none is named, as docker has it.
pub(super) const DEFAULT: &str = "docker.io";

/// Longer passwords are none.
const MAX_PASSWORD: u64 = 64 << 10;

/// Log in to a registry
///
/// The login is tried first, and then kept where docker and podman keep theirs, by the credential helper that their
/// configuration names if it names one.
#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// HOST or HOST:PORT
    #[arg(default_value = DEFAULT)]
    registry: String,
    /// Name of the account; asked for where it is not given
    #[arg(long, short)]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    options: RegistryArgs,
}

/// Tries a login, and keeps it if the registry takes it.
pub(crate) fn login(context: &Context, args: &LoginArgs) -> Result<ExitCode, Report> {
    let registry = host(&args.registry)?;
    let username = match &args.username {
        Some(name) => name.clone(),
        None if args.password_stdin => {
            return Err(Report::usage("--password-stdin needs --username"));
        }
        None => ask(|| prompt::ask("Username: "))?,
    };
    let password = match args.password_stdin {
        true => from_stdin()?,
        false => ask(|| prompt::ask_hidden("Password: "))?,
    };
    if username.is_empty() || password.is_empty() {
        return Err(Report::new(
            "neither the name nor the password may be empty",
        ));
    }
    let credential = Credential::Password { username, password };
    let fixed = Fixed {
        registry: registry.to_owned(),
        credential: credential.clone(),
    };
    let options = RemoteOptions {
        credentials: Arc::new(fixed),
        ..registries::options(context, &args.options, Arc::default())
    };
    let checked = Remote::new(options).and_then(|remote| remote.check(registry));
    checked.map_err(registries::failed)?;
    let files = registries::credential_files(context);
    let keeper = files.store(registry, &credential).map_err(kept)?;
    let name = credential.username().unwrap_or_default();
    ui::print(&format!("logged in to {registry} as {name}\n"))?;
    if let Keeper::File(path) = keeper {
        ui::note(&format!(
            "note: the password is kept in {}, readable by you alone but not encrypted; a credential helper would encrypt it",
            path.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A login that was not kept or forgotten, with advice.
pub(super) fn kept(error: kiln_remote::credentials::CredentialsError) -> Report {
    let hint = error.hint();
    hint.into_iter().fold(Report::from(error), Report::hint)
}

/// The registry's host. People also paste addresses.
pub(super) fn host(text: &str) -> Result<&str, Report> {
    let host = text
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(Report::usage(format!(
            "`{text}` is not a registry: write HOST or HOST:PORT"
        )));
    }
    Ok(host)
}

fn ask(question: impl FnOnce() -> std::io::Result<String>) -> Result<String, Report> {
    question().map_err(|error| {
        Report::new(format!("there is nobody to ask: {error}"))
            .hint("give --username, and the password on standard input with --password-stdin")
    })
}

fn from_stdin() -> Result<String, Report> {
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_PASSWORD)
        .read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn addresses_are_taken_for_hosts() {
        assert_eq!(host("https://example.org/").unwrap(), "example.org");
        assert_eq!(host("localhost:5000").unwrap(), "localhost:5000");
        for wrong in ["", "https://", "example.org/team", "a b", "me@example.org"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
