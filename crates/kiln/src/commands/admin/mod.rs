//! `kiln admin`: the accounts and the content of a running registry, over its JSON API.

mod audit;
mod client;
mod gc;
mod output;
mod project;
mod robot;
mod scrub;
mod token;
mod user;

use std::process::ExitCode;

use super::Context;
use crate::ui::report::Report;
use client::{Client, ServerArgs};
use output::Output;

/// Manage a registry: users, projects, robot accounts, tokens, the audit log
///
/// Logs in with --token or KILN_TOKEN, with --user and a password, or with what `kiln login` and
/// `docker login` keep for the server.
#[derive(Debug, clap::Args)]
pub(crate) struct AdminArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print JSON, one document for each entry of a list
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AdminCommand {
    /// Users
    #[command(subcommand)]
    User(user::UserCommand),
    /// Projects, their members and rules
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// Robot accounts, of a project or of the whole registry
    #[command(subcommand)]
    Robot(robot::RobotCommand),
    /// Your own tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    Audit(audit::AuditArgs),
    Gc(gc::GcArgs),
    Scrub(scrub::ScrubArgs),
}

/// Does one thing at the registry.
pub(crate) fn admin(context: &Context, args: &AdminArgs) -> Result<ExitCode, Report> {
    let client = Client::new(context, &args.server)?;
    let output = Output { json: args.json };
    match &args.command {
        AdminCommand::User(command) => user::run(&client, output, command)?,
        AdminCommand::Project(command) => project::run(&client, output, command)?,
        AdminCommand::Robot(command) => robot::run(&client, output, command)?,
        AdminCommand::Token(command) => token::run(&client, output, command)?,
        AdminCommand::Audit(args) => audit::run(&client, output, args)?,
        AdminCommand::Gc(args) => gc::run(&client, output, args)?,
        AdminCommand::Scrub(args) => return scrub::run(&client, output, args),
    }
    Ok(ExitCode::SUCCESS)
}
