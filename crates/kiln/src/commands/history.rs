//! `kiln history`: the steps that made an image, and what each added.

use std::process::ExitCode;

use serde_json::json;

use super::{Context, find_image, platform};
use crate::ui::{self, report::Report, size::Size, table::Table};

/// Show how an image was made, the newest step first
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Name or id
    image: String,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<String>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
    /// Do not shorten the steps
    #[arg(long)]
    no_trunc: bool,
}

/// Lists steps with the layer that each made and its size as it is kept.
pub(crate) fn history(context: &Context, args: &HistoryArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let image = find_image(&store, &args.image, &platform(args.platform.as_deref())?)?;
    let mut layers = image
        .config
        .rootfs
        .diff_ids
        .iter()
        .zip(&image.manifest.layers);
    let mut rows = vec![];
    for step in &image.config.history {
        let layer = if step.empty_layer {
            None
        } else {
            layers.next()
        };
        let size = layer.map(|(_, blob)| blob.size);
        rows.push((step, layer.map(|(diff_id, _)| *diff_id), size));
    }
    rows.reverse();
    let text = if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(step, diff_id, size)| {
                json!({
                    "created": step.created, "created_by": step.created_by, "comment": step.comment,
                    "diff_id": diff_id, "size": size,
                })
            })
            .collect();
        format!("{:#}\n", json!(rows))
    } else {
        let mut table = Table::new(&["LAYER", "SIZE", "CREATED", "STEP"]);
        for (step, diff_id, size) in rows {
            let by = step
                .created_by
                .as_deref()
                .unwrap_or("(unknown)")
                .replace(['\n', '\t'], " ");
            table.row(vec![
                diff_id.map_or_else(|| "-".to_owned(), |diff_id| diff_id.short()),
                size.map_or_else(|| "-".to_owned(), |size| Size(size).to_string()),
                step.created.as_deref().unwrap_or("-").to_owned(),
                if args.no_trunc {
                    by
                } else {
                    ui::log::fit(&by, 72)
                },
            ]);
        }
        table.render()
    };
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
