//! `kiln images`: what is in the store.

use std::process::ExitCode;

use kiln_oci::{Document, ImageConfig, Raw};
use kiln_store::{Store, StoredReference};
use serde_json::json;

use super::Context;
use crate::ui::{self, report::Report, size::Size, table::Table, time};

/// List the images in the store
#[derive(Debug, clap::Args)]
pub(crate) struct ImagesArgs {
    /// Only images whose name contains this
    name: Option<String>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
    /// Print ids only
    #[arg(long, short)]
    quiet: bool,
}

/// One line of the list.
struct Row {
    name: String,
    id: String,
    platforms: Vec<String>,
    created: i64,
    size: u64,
}

/// Lists names with the image's id, platforms, age and size. The size is that of the layers as they
/// are kept, each counted once.
pub(crate) fn images(context: &Context, args: &ImagesArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let mut rows = vec![];
    for known in store.references()? {
        let name = known.reference.familiar();
        if args
            .name
            .as_ref()
            .is_none_or(|part| name.contains(part.as_str()))
        {
            rows.push(row(&store, &known, name)?);
        }
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let text = if args.json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        format!("{:#}\n", json!(rows))
    } else if args.quiet {
        rows.iter().map(|row| format!("{}\n", row.id)).collect()
    } else {
        as_table(&rows)
    };
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn row(store: &Store, known: &StoredReference, name: String) -> Result<Row, Report> {
    let mut row = Row {
        name,
        id: known.descriptor.digest.short(),
        platforms: vec![],
        created: known.created,
        size: 0,
    };
    let manifests = match Document::parse(&store.read_document(&known.descriptor.digest)?)? {
        Document::Manifest(manifest) => vec![*manifest],
        Document::Index(index) => {
            let mut manifests = vec![];
            for entry in &index.manifests {
                let bytes = store.read_document(&entry.digest)?;
                if let Document::Manifest(manifest) = Document::parse(&bytes)? {
                    manifests.push(*manifest);
                }
            }
            manifests
        }
    };
    let mut counted = std::collections::HashSet::new();
    for manifest in manifests {
        let config: Raw<ImageConfig> = Raw::parse(store.read_document(&manifest.config.digest)?)?;
        row.platforms.push(config.platform.to_string());
        for (layer, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            if counted.insert(*diff_id) {
                row.size += layer.size;
            }
        }
    }
    Ok(row)
}

fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "name": row.name, "id": row.id, "platforms": row.platforms, "created": row.created, "size": row.size,
    })
}

fn as_table(rows: &[Row]) -> String {
    let mut table = Table::new(&["NAME", "ID", "PLATFORM", "CREATED", "SIZE"]);
    let now = time::now();
    for row in rows {
        table.row(vec![
            row.name.clone(),
            row.id.clone(),
            row.platforms.join(","),
            time::ago(row.created, now),
            Size(row.size).to_string(),
        ]);
    }
    table.render()
}
