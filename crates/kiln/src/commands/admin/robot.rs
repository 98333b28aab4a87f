//! `kiln admin robot`.

use serde_json::{Value, json};

use super::client::{Client, encoded};
use super::output::{Column, Output, from_now, parse_duration, scopes, text, when, yes};
use crate::ui::report::Report;

#[derive(Debug, clap::Subcommand)]
pub(super) enum RobotCommand {
    /// List robot accounts
    List {
        /// Those of this project [default: those of the whole registry]
        #[arg(long, short)]
        project: Option<String>,
    },
    /// Show a robot account
    Show {
        /// Its whole name
        name: String,
        /// Its project [default: the whole registry]
        #[arg(long, short)]
        project: Option<String>,
    },
    /// Make a robot account; its token is shown once
    Create {
        /// Its name; with a project, `ci` becomes `PROJECT.ci`
        name: String,
        /// The project that it belongs to [default: the whole registry]
        #[arg(long, short)]
        project: Option<String>,
        /// Repositories and what may be done there: `team/**:pull,push`; may be repeated
        #[arg(long, required = true, value_name = "PATTERN:ACTIONS", value_parser = parse_scope)]
        scope: Vec<Value>,
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        description: String,
        /// How long it lasts: 12h, 30d, 4w [default: until it is deleted]
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        expires: Option<i64>,
    },
    /// Change a robot account
    Change {
        /// Its whole name
        name: String,
        /// Its project [default: the whole registry]
        #[arg(long, short)]
        project: Option<String>,
        /// What it may do instead
        #[arg(long, value_name = "PATTERN:ACTIONS", value_parser = parse_scope)]
        scope: Vec<Value>,
        /// How long it lasts from now
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        expires: Option<i64>,
        /// Whether it cannot log in
        #[arg(long, value_name = "BOOL")]
        disabled: Option<bool>,
    },
    /// Give a robot account another token; the one before is void at once
    Renew {
        /// Its whole name
        name: String,
        /// Its project [default: the whole registry]
        #[arg(long, short)]
        project: Option<String>,
    },
    /// Delete a robot account
    Delete {
        /// Its whole name
        name: String,
        /// Its project [default: the whole registry]
        #[arg(long, short)]
        project: Option<String>,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", |robot| text(&robot["name"])),
    ("SCOPES", scopes),
    ("DISABLED", |robot| yes(&robot["disabled"])),
    ("EXPIRES", |robot| when(&robot["expires"])),
    ("USED", |robot| when(&robot["used"])),
    ("DESCRIPTION", |robot| text(&robot["description"])),
];

fn place(project: Option<&String>) -> String {
    match project {
        Some(project) => format!("/projects/{}/robots", encoded(project)),
        None => "/robots".to_owned(),
    }
}

/// `team/**:pull,push`, split at the last colon.
fn parse_scope(text: &str) -> Result<Value, String> {
    let wrong = || format!("`{text}` is not a scope: PATTERN:pull,push,delete");
    let (repositories, actions) = text.rsplit_once(':').ok_or_else(wrong)?;
    let actions: Vec<&str> = actions.split(',').collect();
    let known = ["pull", "push", "delete"];
    if repositories.is_empty() || !actions.iter().all(|action| known.contains(action)) {
        return Err(wrong());
    }
    Ok(json!({ "repositories": repositories, "actions": actions }))
}

pub(super) fn run(client: &Client, output: Output, command: &RobotCommand) -> Result<(), Report> {
    let path = |project: &Option<String>, name: &str| {
        format!("{}/{}", place(project.as_ref()), encoded(name))
    };
    match command {
        RobotCommand::List { project } => output.list(client, &place(project.as_ref()), COLUMNS),
        RobotCommand::Show { name, project } => {
            let mut robot = client.get(&path(project, name))?;
            if !output.json {
                robot["scopes"] = Value::from(scopes(&robot));
            }
            output.one(&robot)
        }
        RobotCommand::Create {
            name,
            project,
            scope,
            description,
            expires,
        } => {
            let body = json!({
                "name": name, "scopes": scope, "description": description, "expires": from_now(*expires),
            });
            let made = client.post(&place(project.as_ref()), Some(&body))?;
            output.done(&format!(
                "made the robot account `{}`",
                text(&made["robot"]["name"])
            ));
            output.secret(&made)
        }
        RobotCommand::Change {
            name,
            project,
            scope,
            expires,
            disabled,
        } => {
            let mut body = json!({});
            if !scope.is_empty() {
                body["scopes"] = json!(scope);
            }
            if let Some(expires) = from_now(*expires) {
                body["expires"] = json!(expires);
            }
            if let Some(disabled) = disabled {
                body["disabled"] = json!(disabled);
            }
            if body == json!({}) {
                return Err(Report::usage("what shall be changed?")
                    .hint("--scope, --expires or --disabled"));
            }
            let mut robot = client.patch(&path(project, name), &body)?;
            if !output.json {
                robot["scopes"] = Value::from(scopes(&robot));
            }
            output.one(&robot)
        }
        RobotCommand::Renew { name, project } => {
            output.secret(&client.post(&format!("{}/secret", path(project, name)), None)?)
        }
        RobotCommand::Delete { name, project } => {
            client.delete(&path(project, name))?;
            output.done(&format!("deleted the robot account `{name}`"));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_and_shown() {
        let scope = parse_scope("team/**:pull,push").unwrap();
        assert_eq!(scopes(&json!({ "scopes": [scope] })), "team/**:pull,push");
        for bad in ["", "team/**", ":pull", "team/**:", "team/**:pull,fly"] {
            assert!(parse_scope(bad).is_err(), "{bad}");
        }
    }
}
