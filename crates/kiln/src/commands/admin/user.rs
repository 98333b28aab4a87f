//! `kiln admin user`.

use serde_json::{Value, json};

use super::client::{Client, encoded};
use super::output::{Column, Output, password_from_stdin, random_password, text, when, yes};
use crate::ui::report::Report;

#[derive(Debug, clap::Subcommand)]
pub(super) enum UserCommand {
    /// List users
    List,
    /// Show a user
    Show {
        /// The login name
        name: String,
    },
    /// Make a user; without --password-stdin a random password is made and shown
    Create {
        /// The login name: a-z, 0-9, `.`, `_`, `-`
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        /// He may do everything everywhere
        #[arg(long)]
        administrator: bool,
    },
    /// Change a user
    Change {
        /// The login name
        name: String,
        /// Read a new password from standard input; ends his logins
        #[arg(long)]
        password_stdin: bool,
        /// Whether he may do everything everywhere
        #[arg(long, value_name = "BOOL")]
        administrator: Option<bool>,
        /// Whether he cannot log in
        #[arg(long, value_name = "BOOL")]
        disabled: Option<bool>,
    },
    /// Delete a user with his tokens and memberships
    Delete {
        /// The login name
        name: String,
    },
    /// List a user's tokens
    Tokens {
        /// The login name
        name: String,
    },
    /// End a user's token
    EndToken {
        /// The login name
        name: String,
        /// The token's id
        token: String,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", |user| text(&user["name"])),
    ("ADMINISTRATOR", |user| yes(&user["administrator"])),
    ("DISABLED", |user| yes(&user["disabled"])),
    ("CREATED", |user| when(&user["created"])),
    ("BY", |user| text(&user["created_by"])),
];

pub(super) fn run(client: &Client, output: Output, command: &UserCommand) -> Result<(), Report> {
    let path = |name: &str| format!("/users/{}", encoded(name));
    match command {
        UserCommand::List => output.list(client, "/users", COLUMNS),
        UserCommand::Show { name } => output.one(&client.get(&path(name))?),
        UserCommand::Create {
            name,
            password_stdin,
            administrator,
        } => {
            let password = match password_stdin {
                true => password_from_stdin()?,
                false => random_password()?,
            };
            let body =
                json!({ "name": name, "password": password, "administrator": administrator });
            let mut made = client.post("/users", Some(&body))?;
            output.done(&format!("made the user `{name}`"));
            if *password_stdin {
                return match output.json {
                    true => output.one(&made),
                    false => Ok(()),
                };
            }
            made["secret"] = Value::from(password);
            output.secret(&made)
        }
        UserCommand::Change {
            name,
            password_stdin,
            administrator,
            disabled,
        } => {
            let password = password_stdin.then(password_from_stdin).transpose()?;
            if password.is_none() && administrator.is_none() && disabled.is_none() {
                return Err(Report::usage("what shall be changed?")
                    .hint("--password-stdin, --administrator or --disabled"));
            }
            let body = json!({
                "password": password, "administrator": administrator, "disabled": disabled,
            });
            output.one(&client.patch(&path(name), &body)?)
        }
        UserCommand::Delete { name } => {
            client.delete(&path(name))?;
            output.done(&format!("deleted the user `{name}`"));
            Ok(())
        }
        UserCommand::Tokens { name } => output.list(
            client,
            &format!("{}/tokens", path(name)),
            super::token::COLUMNS,
        ),
        UserCommand::EndToken { name, token } => {
            client.delete(&format!("{}/tokens/{}", path(name), encoded(token)))?;
            output.done(&format!("ended the token `{token}` of `{name}`"));
            Ok(())
        }
    }
}
