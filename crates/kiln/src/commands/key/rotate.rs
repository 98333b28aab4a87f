//! `kiln key rotate`: a key's successor.

use std::process::ExitCode;

use kiln_trust::Time;
use kiln_trust::key::PrivateKey;
use kiln_trust::rotation::Rotation;

use super::super::Context;
use super::{Kind, made};
use crate::trust::{self, KeyArgs, PasswordArgs};
use crate::ui::{self, report::Report};

#[derive(Debug, clap::Args)]
pub(super) struct RotateArgs {
    /// The key that is to be succeeded
    #[arg(value_name = "OLD")]
    old: String,
    /// What the new files are called: NAME.key, NAME.pub and NAME.rotation.json
    #[arg(long, short, value_name = "NAME")]
    output: String,
    /// What kind of key
    #[arg(long, value_enum, default_value = "p256")]
    kind: Kind,
    /// The passwords of both keys are in this file
    #[command(flatten)]
    password: PasswordArgs,
}

/// Makes the new key, and the statement by both.
pub(super) fn rotate(context: &Context, args: &RotateArgs) -> Result<ExitCode, Report> {
    let statement = context
        .environment
        .absolute(format!("{}.rotation.json", args.output));
    if statement.exists() {
        return Err(Report::new(format!(
            "`{}` is there already",
            statement.display()
        )));
    }
    let old = KeyArgs {
        key: args.old.clone(),
        password: args.password.clone(),
    };
    let old = trust::signer(context, &old)?;
    let new = PrivateKey::generate(args.kind.into())?;
    let signed = Rotation::sign(&*old, &new, Time::now())?;
    let done = made(context, &new, &args.output, &args.password)?;
    std::fs::write(&statement, signed)
        .map_err(|error| Report::new(format!("cannot write `{}`: {error}", statement.display())))?;
    ui::print(&format!("rotation {}\n", statement.display()))?;
    Ok(done)
}
