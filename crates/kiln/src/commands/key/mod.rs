//! `kiln key`: keys that sign, kept as cosign keeps them.

mod revoke;
mod rotate;

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use kiln_trust::key::{Generate, PrivateKey, PublicKey, Signer as _};
use serde_json::json;

use super::Context;
use crate::trust::{self, PasswordArgs};
use crate::ui::{self, report::Report};

/// Make, take in, show and change keys that sign
///
/// Private keys are kept in files that cosign reads and writes: encrypted under a password, never in the clear.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a new key: NAME.key, encrypted, and NAME.pub
    Generate(GenerateArgs),
    /// Take in a key of another tool: PKCS #8, SEC 1, PKCS #1 or cosign's own file
    Import(ImportArgs),
    /// Show a key's kind and id, and its public part
    Show(ShowArgs),
    /// Make a key's successor, and a statement by both that says so
    Rotate(rotate::RotateArgs),
    /// Add keys, certificates or images to a signed list of what is called back
    Revoke(revoke::RevokeArgs),
}

/// What can be made.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Kind {
    /// ECDSA on P-256: every tool verifies it
    P256,
    /// ECDSA on P-384
    P384,
    /// Ed25519
    Ed25519,
}

impl From<Kind> for Generate {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::P256 => Self::P256,
            Kind::P384 => Self::P384,
            Kind::Ed25519 => Self::Ed25519,
        }
    }
}

#[derive(Debug, clap::Args)]
struct GenerateArgs {
    /// What the files are called, without .key and .pub
    #[arg(long, short, value_name = "NAME", default_value = "kiln")]
    output: String,
    /// What kind of key
    #[arg(long, value_enum, default_value = "p256")]
    kind: Kind,
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The private key: a file, or env://VARIABLE
    key: String,
    /// What the files are called, without .key and .pub
    #[arg(long, short, value_name = "NAME", default_value = "kiln")]
    output: String,
    /// The new file's password is in this file; that of the old one is asked for or in $KILN_KEY_PASSWORD
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// A public or private key: a file, or env://VARIABLE
    key: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// Does what the subcommand says.
pub(crate) fn key(context: &Context, args: &KeyArgs) -> Result<ExitCode, Report> {
    match &args.command {
        KeyCommand::Generate(args) => {
            let key = PrivateKey::generate(args.kind.into())?;
            made(context, &key, &args.output, &args.password)
        }
        KeyCommand::Import(args) => {
            let content = trust::content(context, &args.key)?;
            // The old password is never in the file that holds the new one.
            let key = trust::unseal(context, &content, &PasswordArgs::default())
                .map_err(|report| report.prefix(&format!("the key `{}`", args.key)))?;
            made(context, &key, &args.output, &args.password)
        }
        KeyCommand::Show(args) => show(context, args),
        KeyCommand::Rotate(args) => rotate::rotate(context, args),
        KeyCommand::Revoke(args) => revoke::revoke(context, args),
    }
}

/// Writes a pair of files and says so.
pub(super) fn made(
    context: &Context,
    key: &PrivateKey,
    name: &str,
    password: &PasswordArgs,
) -> Result<ExitCode, Report> {
    let (private, public) = trust::write_pair(context, key, name, password)?;
    ui::print(&format!(
        "{} {}\nprivate key {}\npublic key {}\n",
        key.public().kind(),
        key.public().id(),
        private.display(),
        public.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, args: &ShowArgs) -> Result<ExitCode, Report> {
    let key: PublicKey = trust::public_key(context, &args.key, &args.password)?;
    let text = match args.json {
        true => {
            let value = json!({
                "schema": 1, "kind": key.kind().to_string(), "id": key.id(), "hint": key.id().hint(), "pem": key.to_pem(),
            });
            format!("{value}\n")
        }
        false => format!("{} {}\n{}", key.kind(), key.id(), key.to_pem()),
    };
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
