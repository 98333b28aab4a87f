//! `kiln admin project`: projects, their members, their rules of immutable tags.

use serde_json::json;

use super::client::{Client, encoded};
use super::output::{Column, Output, scopes, text, when, yes};
use crate::ui;
use crate::ui::report::Report;

/// A member's role.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Role {
    /// Reads
    Guest,
    /// Reads and pushes
    Developer,
    /// Also deletes, restores, and keeps the rules
    Maintainer,
    /// Also decides who takes part
    Admin,
}

/// How a pattern of tags is meant.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Kind {
    /// `v*`, `{stable,latest}`
    Glob,
    /// `>=1.0.0`
    Semver,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum ProjectCommand {
    /// List the projects that you may see
    List,
    /// Show a project
    Show {
        /// The project
        name: String,
    },
    /// Make a project
    Create {
        /// The first part of its repositories' names
        name: String,
        /// Everybody may pull, logged in or not
        #[arg(long)]
        public: bool,
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        description: String,
    },
    /// Change a project
    Change {
        /// The project
        name: String,
        /// Whether everybody may pull, logged in or not
        #[arg(long, value_name = "BOOL")]
        public: Option<bool>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Delete a project that has no images
    Delete {
        /// The project
        name: String,
    },
    /// List a project's members
    Members {
        /// The project
        name: String,
    },
    /// Make a user a member, or change his role
    SetMember {
        /// The project
        name: String,
        /// The user
        user: String,
        /// What he may do
        #[arg(value_enum)]
        role: Role,
    },
    /// End a user's membership
    RemoveMember {
        /// The project
        name: String,
        /// The user
        user: String,
    },
    /// Show what an account may do in a project, and why
    Access {
        /// The project
        name: String,
        /// A user or robot account [default: who is not logged in]
        #[arg(default_value = "")]
        account: String,
    },
    /// List a project's repositories
    Repositories {
        /// The project
        name: String,
    },
    /// List the rules of tags that may not change
    Rules {
        /// The project
        name: String,
    },
    /// Make a rule: tags that it holds for can be neither moved nor deleted
    AddRule {
        /// The project
        name: String,
        /// How the pattern is meant
        #[arg(value_enum)]
        kind: Kind,
        /// Which tags
        pattern: String,
        /// Which of the project's repositories
        #[arg(long, default_value = "**", value_name = "PATTERN")]
        repositories: String,
        /// Only show which tags it would hold for
        #[arg(long)]
        preview: bool,
    },
    /// Take a rule away
    RemoveRule {
        /// The project
        name: String,
        /// The rule's number
        rule: i64,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", |project| text(&project["name"])),
    ("PUBLIC", |project| yes(&project["public"])),
    ("CREATED", |project| when(&project["created"])),
    ("BY", |project| text(&project["created_by"])),
    ("DESCRIPTION", |project| text(&project["description"])),
];

const MEMBERS: &[Column] = &[
    ("USER", |member| text(&member["user"])),
    ("ROLE", |member| text(&member["role"])),
    ("ADDED", |member| when(&member["added"])),
    ("BY", |member| text(&member["added_by"])),
];

const RULES: &[Column] = &[
    ("RULE", |rule| text(&rule["id"])),
    ("REPOSITORIES", |rule| text(&rule["repositories"])),
    ("KIND", |rule| text(&rule["kind"])),
    ("PATTERN", |rule| text(&rule["pattern"])),
    ("CREATED", |rule| when(&rule["created"])),
    ("BY", |rule| text(&rule["created_by"])),
];

pub(super) fn run(client: &Client, output: Output, command: &ProjectCommand) -> Result<(), Report> {
    let path = |name: &str| format!("/projects/{}", encoded(name));
    match command {
        ProjectCommand::List => output.list(client, "/projects", COLUMNS),
        ProjectCommand::Show { name } => output.one(&client.get(&path(name))?),
        ProjectCommand::Create {
            name,
            public,
            description,
        } => {
            let body = json!({ "name": name, "public": public, "description": description });
            output.one(&client.post("/projects", Some(&body))?)
        }
        ProjectCommand::Change {
            name,
            public,
            description,
        } => {
            if public.is_none() && description.is_none() {
                return Err(
                    Report::usage("what shall be changed?").hint("--public or --description")
                );
            }
            let body = json!({ "public": public, "description": description });
            output.one(&client.patch(&path(name), &body)?)
        }
        ProjectCommand::Delete { name } => {
            client.delete(&path(name))?;
            output.done(&format!("deleted the project `{name}`"));
            Ok(())
        }
        ProjectCommand::Repositories { name } => {
            let columns: &[Column] = &[("REPOSITORY", |entry| text(&entry["name"]))];
            output.list(client, &format!("{}/repositories", path(name)), columns)
        }
        ProjectCommand::Access { name, account } => access(client, output, name, account),
        ProjectCommand::Members { .. }
        | ProjectCommand::SetMember { .. }
        | ProjectCommand::RemoveMember { .. } => members(client, output, command),
        ProjectCommand::Rules { .. }
        | ProjectCommand::AddRule { .. }
        | ProjectCommand::RemoveRule { .. } => rules(client, output, command),
    }
}

fn access(client: &Client, output: Output, name: &str, account: &str) -> Result<(), Report> {
    let path = format!(
        "/projects/{}/access?account={}",
        encoded(name),
        encoded(account)
    );
    let mut effective = client.get(&path)?;
    if !output.json && effective["scopes"].is_array() {
        effective["scopes"] = scopes(&effective).into();
    }
    output.one(&effective)
}

fn members(client: &Client, output: Output, command: &ProjectCommand) -> Result<(), Report> {
    let path = |name: &str| format!("/projects/{}/members", encoded(name));
    match command {
        ProjectCommand::SetMember { name, user, role } => {
            let role = match role {
                Role::Guest => "guest",
                Role::Developer => "developer",
                Role::Maintainer => "maintainer",
                Role::Admin => "admin",
            };
            let path = format!("{}/{}", path(name), encoded(user));
            output.one(&client.put(&path, &json!({ "role": role }))?)
        }
        ProjectCommand::RemoveMember { name, user } => {
            client.delete(&format!("{}/{}", path(name), encoded(user)))?;
            output.done(&format!("`{user}` is no member of `{name}` any more"));
            Ok(())
        }
        ProjectCommand::Members { name } => output.list(client, &path(name), MEMBERS),
        _ => Ok(()),
    }
}

fn rules(client: &Client, output: Output, command: &ProjectCommand) -> Result<(), Report> {
    let path = |name: &str| format!("/projects/{}/immutable-tags", encoded(name));
    match command {
        ProjectCommand::AddRule {
            name,
            kind,
            pattern,
            repositories,
            preview,
        } => {
            let kind = match kind {
                Kind::Glob => "glob",
                Kind::Semver => "semver",
            };
            let body = json!({ "repositories": repositories, "kind": kind, "pattern": pattern });
            if !preview {
                return output.one(&client.post(&path(name), Some(&body))?);
            }
            let shown = client.post(&format!("{}/preview", path(name)), Some(&body))?;
            if output.json {
                return output.one(&shown);
            }
            let tags = shown["tags"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let lines: String = tags.iter().map(|tag| format!("{}\n", text(tag))).collect();
            ui::print(&lines)?;
            if shown["complete"] == false {
                ui::note("these are not all");
            }
            Ok(())
        }
        ProjectCommand::RemoveRule { name, rule } => {
            client.delete(&format!("{}/{rule}", path(name)))?;
            output.done(&format!("rule {rule} holds no more"));
            Ok(())
        }
        ProjectCommand::Rules { name } => {
            let found = client.get(&path(name))?;
            output.entries(&found, RULES)
        }
        _ => Ok(()),
    }
}
