//! `kiln inspect`: everything that an image's documents say.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, find_image, platform};
use crate::ui::{self, report::Report};

/// Show an image's manifest and config as JSON
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// Name or id
    image: String,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<String>,
    /// The manifest's bytes as they are, for hashing
    #[arg(long, conflicts_with = "raw_config")]
    raw: bool,
    /// The config's bytes as they are
    #[arg(long)]
    raw_config: bool,
}

/// Prints one object with `digest`, `manifest` and `config`.
pub(crate) fn inspect(context: &Context, args: &InspectArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let image = find_image(&store, &args.image, &platform(args.platform.as_deref())?)?;
    let text = if args.raw {
        String::from_utf8_lossy(image.manifest.bytes()).into_owned()
    } else if args.raw_config {
        String::from_utf8_lossy(image.config.bytes()).into_owned()
    } else {
        let manifest: Value = serde_json::from_slice(image.manifest.bytes())?;
        let config: Value = serde_json::from_slice(image.config.bytes())?;
        let digest = image.manifest.digest();
        format!(
            "{:#}\n",
            json!({"digest": digest, "manifest": manifest, "config": config})
        )
    };
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
