//! `kiln flatten`: all layers of an image become one.

use std::process::ExitCode;

use super::Context;
use crate::rewriting::{self, Outcome, RewriteArgs, failed};
use crate::ui::report::Report;

/// Make one layer of all
///
/// What a later layer replaced or removed is gone for good, and nothing is shared with other images any more. Config
/// and history stay.
#[derive(Debug, clap::Args)]
pub(crate) struct FlattenArgs {
    #[command(flatten)]
    rewrite: RewriteArgs,
}

/// Flattens.
pub(crate) fn flatten(context: &Context, args: &FlattenArgs) -> Result<ExitCode, Report> {
    rewriting::rewrite(context, &args.rewrite, |desk, image| {
        let flat = desk.rewriter.flatten(image).map_err(failed)?;
        Ok(Outcome::from(flat))
    })
}
