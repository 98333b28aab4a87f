//! `kiln df`: what the store takes on disk.

use std::process::ExitCode;

use serde_json::json;

use super::Context;
use crate::ui::{self, report::Report, size::Size, table::Table};

/// Show how much room the store takes
#[derive(Debug, clap::Args)]
pub(crate) struct DfArgs {
    /// Print one JSON object, in bytes
    #[arg(long)]
    json: bool,
}

/// Blocks on disk, by what they are for.
pub(crate) fn df(context: &Context, args: &DfArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let usage = store.usage()?;
    let keep = context.configuration.store.keep;
    let rows = [
        ("images", usage.images, false),
        ("build cache", usage.build_cache, true),
        ("snapshots", usage.snapshots, true),
        ("cache mounts", usage.cache_mounts, true),
        ("databases", usage.databases, false),
    ];
    let text = if args.json {
        let value = json!({
            "images": usage.images, "build_cache": usage.build_cache, "snapshots": usage.snapshots,
            "cache_mounts": usage.cache_mounts, "databases": usage.databases,
            "total": usage.total(), "reclaimable": usage.reclaimable(), "keep": keep.map(|keep| keep.0),
        });
        format!("{value:#}\n")
    } else {
        let mut table = Table::new(&["WHAT", "ON DISK", "PRUNE FREES"]);
        for (what, bytes, reclaimable) in rows {
            let frees = if reclaimable {
                Size(bytes).to_string()
            } else {
                "-".to_owned()
            };
            table.row(vec![what.to_owned(), Size(bytes).to_string(), frees]);
        }
        let total = [usage.total(), usage.reclaimable()].map(|bytes| Size(bytes).to_string());
        let [total, reclaimable] = total;
        table.row(vec!["total".to_owned(), total, reclaimable]);
        let cap = keep.map_or_else(|| "none".to_owned(), |keep| keep.to_string());
        table.row(vec!["cap".to_owned(), cap, "-".to_owned()]);
        table.render()
    };
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
