//! `kiln admin token`: the caller's own tokens.

use serde_json::json;

use super::client::{Client, encoded};
use super::output::{Column, Output, from_now, parse_duration, text, when};
use crate::ui::report::Report;

/// The most that a token may do of what its user may.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum Ceiling {
    /// Look and pull
    Read,
    /// Also push
    Write,
    /// All that you may do
    #[default]
    Full,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum TokenCommand {
    /// List your tokens
    List,
    /// Make a token for a program; it is shown once
    Create {
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        description: String,
        /// The most that it may do
        #[arg(long, value_enum, default_value_t)]
        ceiling: Ceiling,
        /// How long it lasts: 12h, 30d, 4w [default: until it is ended]
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        expires: Option<i64>,
    },
    /// End a token
    End {
        /// The token's id
        id: String,
    },
}

pub(super) const COLUMNS: &[Column] = &[
    ("ID", |token| text(&token["id"])),
    ("KIND", |token| text(&token["kind"])),
    ("CEILING", |token| text(&token["ceiling"])),
    ("CREATED", |token| when(&token["created"])),
    ("USED", |token| when(&token["used"])),
    ("EXPIRES", |token| when(&token["expires"])),
    ("DESCRIPTION", |token| text(&token["description"])),
];

pub(super) fn run(client: &Client, output: Output, command: &TokenCommand) -> Result<(), Report> {
    match command {
        TokenCommand::List => output.list(client, "/me/tokens", COLUMNS),
        TokenCommand::Create {
            description,
            ceiling,
            expires,
        } => {
            let ceiling = match ceiling {
                Ceiling::Read => "read",
                Ceiling::Write => "write",
                Ceiling::Full => "full",
            };
            let body = json!({
                "description": description, "ceiling": ceiling, "expires": from_now(*expires),
            });
            output.secret(&client.post("/me/tokens", Some(&body))?)
        }
        TokenCommand::End { id } => {
            client.delete(&format!("/me/tokens/{}", encoded(id)))?;
            output.done(&format!("ended the token `{id}`"));
            Ok(())
        }
    }
}
