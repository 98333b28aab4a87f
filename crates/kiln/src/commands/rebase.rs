//! `kiln rebase`: the layers of an image on another base.

use std::process::ExitCode;

use kiln_analyze::rewrite::RebaseOptions;
use serde_json::json;

use super::Context;
use crate::rewriting::{self, Outcome, RewriteArgs, failed};
use crate::ui::{self, report::Report};

/// Put an image's own layers on another base
///
/// They are taken over byte for byte, so only the base is new: a fixed library, say. This works when the image really
/// begins with all layers of the old base. Settings that the image took from its old base come from the new one, its
/// own stay. Programs of the image must find their libraries there, in the versions that they were linked with.
#[derive(Debug, clap::Args)]
pub(crate) struct RebaseArgs {
    #[command(flatten)]
    rewrite: RewriteArgs,
    /// The base that the image was built on: a name or id, or a place
    #[arg(long, value_name = "IMAGE")]
    from: String,
    /// The base that it shall have
    #[arg(long, value_name = "IMAGE")]
    onto: String,
    /// Do it although programs of the image may not run there
    #[arg(long)]
    force: bool,
}

/// Rebases.
pub(crate) fn rebase(context: &Context, args: &RebaseArgs) -> Result<ExitCode, Report> {
    rewriting::rewrite(context, &args.rewrite, |desk, image| {
        let old = desk.other(&args.from)?;
        let new = desk.other(&args.onto)?;
        let options = RebaseOptions {
            force: args.force,
            base_name: Some(args.onto.clone()),
        };
        let rebased = desk
            .rewriter
            .rebase(image, &old, &new, &options)
            .map_err(failed)?;
        for finding in &rebased.findings {
            ui::note(&format!("warning: {finding}"));
        }
        let mut lines = String::new();
        if !rebased.overrides.is_empty() {
            lines.push_str("kept from the image, though the new base has another version:\n");
            for path in &rebased.overrides {
                lines.push_str(&format!("  /{path}\n"));
            }
        }
        Ok(Outcome {
            rewritten: rebased.rewritten,
            facts: json!({ "findings": rebased.findings, "overrides": rebased.overrides }),
            lines,
        })
    })
}
