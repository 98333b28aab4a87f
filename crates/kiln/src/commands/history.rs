//! `kiln history`: the steps that made an image, and what each added.

use std::process::ExitCode;
use std::sync::Arc;

use kiln_analyze::Subject;
use kiln_analyze::analysis::LayerReport;
use kiln_oci::{Digest, History};
use serde_json::{Value, json};

use super::{Context, analyze, find_image, platform};
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
    /// Show how many bytes each layer wastes: what it hides of itself and of those below
    #[arg(long)]
    waste: bool,
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
    let reports = match args.waste {
        false => None,
        true => {
            let subject = Subject::load(&args.image, image.clone(), &store, &Arc::default())?;
            Some(analyze::of(&subject)?.layers)
        }
    };
    let mut wasting = reports.iter().flatten();
    let mut rows = vec![];
    for step in &image.config.history {
        let layer = if step.empty_layer {
            None
        } else {
            layers.next()
        };
        let report = layer.and_then(|_| wasting.next());
        rows.push(Row {
            step,
            diff_id: layer.map(|(diff_id, _)| *diff_id),
            size: layer.map(|(_, blob)| blob.size),
            report,
        });
    }
    rows.reverse();
    let text = match args.json {
        true => format!("{:#}\n", rows.iter().map(Row::json).collect::<Value>()),
        false => table(&rows, args),
    };
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A step and what it made.
struct Row<'a> {
    step: &'a History,
    diff_id: Option<Digest>,
    size: Option<u64>,
    /// With `--waste`.
    report: Option<&'a LayerReport>,
}

impl Row<'_> {
    fn json(&self) -> Value {
        let step = self.step;
        let mut value = json!({
            "created": step.created, "created_by": step.created_by, "comment": step.comment,
            "diff_id": self.diff_id, "size": self.size,
        });
        if let Some(report) = self.report {
            value["files"] = json!(report.stored);
            value["hidden"] = json!(report.hidden);
            value["wastes"] = json!(report.wastes);
        }
        value
    }
}

fn table(rows: &[Row<'_>], args: &HistoryArgs) -> String {
    let heading: &[&str] = match args.waste {
        false => &["LAYER", "SIZE", "CREATED", "STEP"],
        true => &["LAYER", "SIZE", "FILES", "WASTES", "", "CREATED", "STEP"],
    };
    let mut table = Table::new(heading);
    for row in rows {
        let by = row
            .step
            .created_by
            .as_deref()
            .unwrap_or("(unknown)")
            .replace(['\n', '\t'], " ");
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let size = |size: u64| Size(size).to_string();
        let mut cells = vec![
            or_none(row.diff_id.map(|diff_id| diff_id.short())),
            or_none(row.size.map(size)),
        ];
        if args.waste {
            let wastes = row.report.map(|report| report.wastes.bytes);
            cells.push(or_none(row.report.map(|report| size(report.stored.bytes))));
            cells.push(or_none(wastes.map(size)));
            cells.push(verdict(row).to_owned());
        }
        cells.push(row.step.created.as_deref().unwrap_or("-").to_owned());
        cells.push(if args.no_trunc {
            by
        } else {
            ui::log::fit(&by, 72)
        });
        table.row(cells);
    }
    table.render()
}

/// What the numbers mean for the layer.
fn verdict(row: &Row<'_>) -> &'static str {
    let Some(report) = row.report else {
        return "";
    };
    let (stored, hidden) = (report.stored.bytes, report.hidden.bytes);
    match () {
        () if stored > 0 && stored == hidden => "superfluous: nothing of it is seen",
        () if stored == 0 && report.wastes.bytes > 0 => "only removes",
        () if report.wastes.bytes > 0 => "wastes",
        () => "",
    }
}
