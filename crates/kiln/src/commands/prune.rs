//! `kiln prune`: room is made of what can be made again.

use std::process::ExitCode;

use kiln_store::PruneOptions;

use super::Context;
use crate::ui::{self, report::Report, size::Size};

/// Remove build cache, snapshots and cache mounts; images with a name stay
#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    /// Stop when the store takes no more than this on disk, images included
    #[arg(long, value_name = "SIZE")]
    keep: Option<Size>,
    /// Only what was not used for this many hours
    #[arg(long, value_name = "HOURS")]
    unused_for: Option<u32>,
    /// Only say what would go and how much that frees
    #[arg(long)]
    dry_run: bool,
}

/// Removes the least recently used first. What running builds count on stays.
pub(crate) fn prune(context: &Context, args: &PruneArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let options = PruneOptions {
        keep: args.keep.map(|size| size.0),
        unused_for: args.unused_for.map(|hours| i64::from(hours) * 3600),
        dry_run: args.dry_run,
    };
    let pruned = store.prune(&options)?;
    let verb = if args.dry_run {
        "would remove"
    } else {
        "removed"
    };
    for (what, bytes) in &pruned.removed {
        ui::print(&format!("{verb} {what} ({})\n", Size(*bytes)))?;
    }
    let frees = if args.dry_run { "would free" } else { "freed" };
    let (freed, remaining) = (Size(pruned.freed()), Size(pruned.remaining));
    ui::print(&format!("{frees} {freed}; the store takes {remaining}\n"))?;
    if let Some(keep) = args.keep.filter(|keep| pruned.remaining > keep.0) {
        return Err(Report::new(format!(
            "the store still takes {remaining}, more than {keep}"
        ))
        .hint(
            "what is left are named images and what running builds use; `kiln rmi` removes images",
        ));
    }
    Ok(ExitCode::SUCCESS)
}
