//! `kiln trim`: an image without its caches, manuals and the like.

use std::process::ExitCode;

use kiln_analyze::rewrite::{RULES, TrimOptions};
use serde_json::json;

use super::Context;
use crate::rewriting::{self, Outcome, RewriteArgs, failed};
use crate::ui::{self, report::Report, size::Size, table::Table};

/// Leave caches, manuals and the like out of an image
///
/// Only layers that brought something of it are rewritten; the others stay as they are and are still shared. Licences
/// and package databases stay.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TrimArgs {
    #[command(flatten)]
    rewrite: RewriteArgs,
    /// What to leave out [default: caches,logs,docs]; `none` for nothing but --drop
    #[arg(long, value_name = "RULE", value_delimiter = ',', long_help = rules_help())]
    rule: Vec<String>,
    /// Files that go, too: a pattern in which * stays within a directory and ** does not. A directory goes with all in it
    #[arg(long, value_name = "PATTERN")]
    drop: Vec<String>,
    /// Files that stay whatever else says
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,
    /// Leave the layers of this image alone
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
}

/// The rules, for `--help`.
fn rules_help() -> String {
    let mut help = "What to leave out; several with commas:\n".to_owned();
    for rule in RULES {
        let default = if rule.is_default { " (default)" } else { "" };
        help.push_str(&format!("- {}: {}{default}\n", rule.name, rule.what));
    }
    help.push_str("- all: all of these\n- none: nothing but --drop");
    help
}

/// Trims.
pub(crate) fn trim(context: &Context, args: &TrimArgs) -> Result<ExitCode, Report> {
    rewriting::rewrite(context, &args.rewrite, |desk, image| {
        let mut options = TrimOptions {
            drop: args.drop.clone(),
            keep: args.keep.clone(),
            ..TrimOptions::default()
        };
        match &args.rule[..] {
            [] => {}
            [one] if one == "none" => options.rules.clear(),
            [one] if one == "all" => {
                options.rules = RULES.iter().map(|rule| rule.name.to_owned()).collect();
            }
            rules => options.rules = rules.to_vec(),
        }
        if let Some(base) = &args.base {
            let base = desk.other(base)?;
            options.keep_layers = desk.rewriter.base_layers(image, &base).map_err(failed)?;
        }
        let trimmed = desk.rewriter.trim(image, &options).map_err(failed)?;
        if trimmed.layers.is_empty() {
            ui::note("there is nothing to leave out: the image stays as it is");
        }
        let mut table = Table::new(&["RULE", "ENTRIES", "BYTES"]);
        for (rule, by) in &trimmed.by_rule {
            let bytes = Size(by.bytes).to_string();
            table.row(vec![rule.clone(), by.entries.to_string(), bytes]);
        }
        Ok(Outcome {
            facts: json!({ "rules": trimmed.by_rule, "rewritten_layers": trimmed.layers }),
            lines: if trimmed.by_rule.is_empty() {
                String::new()
            } else {
                table.render()
            },
            rewritten: trimmed.rewritten,
        })
    })
}
