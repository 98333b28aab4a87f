//! `kiln admin audit`.

use super::client::{Client, encoded};
use super::output::{Column, Output, parse_duration, text, when};
use crate::ui::report::Report;
use crate::ui::time;

/// Show the audit log, the newest line first
#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    /// Only of this project
    #[arg(long, short)]
    project: Option<String>,
    /// Only by this account
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only of this action: push, delete-tag, create-robot, login …
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was refused
    #[arg(long)]
    denied: bool,
    /// Only of the last: 12h, 30d, 4w
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    since: Option<i64>,
    /// Most lines
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

const COLUMNS: &[Column] = &[
    ("WHEN", |line| when(&line["at"])),
    ("WHO", |line| match text(&line["actor"]) {
        nobody if nobody.is_empty() => "(nobody)".to_owned(),
        name => name,
    }),
    ("FROM", |line| text(&line["address"])),
    ("OUTCOME", |line| text(&line["outcome"])),
    ("ACTION", |line| text(&line["action"])),
    ("SUBJECT", |line| text(&line["subject"])),
    ("TIMES", |line| text(&line["count"])),
];

pub(super) fn run(client: &Client, output: Output, args: &AuditArgs) -> Result<(), Report> {
    // A project's admin may read that project's part, and no other.
    let path = match &args.project {
        Some(project) => format!("/projects/{}/audit", encoded(project)),
        None => "/audit".to_owned(),
    };
    let mut query = vec![];
    if let Some(actor) = &args.actor {
        query.push(format!("actor={}", encoded(actor)));
    }
    if let Some(action) = &args.action {
        query.push(format!("action={}", encoded(action)));
    }
    if args.denied {
        query.push("outcome=denied".to_owned());
    }
    if let Some(since) = args.since {
        query.push(format!("since={}", time::now() * 1_000 - since));
    }
    let path = match query.is_empty() {
        true => path,
        false => format!("{path}?{}", query.join("&")),
    };
    output.list_at_most(client, &path, args.limit, COLUMNS)
}
