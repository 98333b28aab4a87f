//! `kiln diff`: what differs between two images.

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_analyze::diff::{self as compare, DiffOptions};
use kiln_oci::Platform;

use super::Context;
use crate::registries::RegistryArgs;
use crate::transfer::look::{Places, deliver};
use crate::ui::report::Report;

/// How many files are listed if not all are.
const MOST: usize = 30;

/// Show what differs between two images: files, packages, config, history, size
///
/// An image is a name or id of the store, an OCI layout or archive (a path, oci-layout://PATH[:TAG], docker-archive://FILE),
/// docker-daemon://NAME, or a name of a registry.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// The image to compare with
    #[arg(value_name = "BEFORE")]
    before: String,
    /// The image to compare
    #[arg(value_name = "AFTER")]
    after: String,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<Platform>,
    /// How to report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Write the report to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// List all files, not only those that change the size most
    #[arg(long)]
    all: bool,
    /// A file also differs when nothing but its time does
    #[arg(long)]
    times: bool,
    /// End with 1 if there is a difference in files, packages or config
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Kinds of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For programs, schema 1
    Json,
    /// For a comment on a merge request
    Markdown,
}

/// Compares and reports.
pub(crate) fn diff(context: &Context, args: &DiffArgs) -> Result<ExitCode, Report> {
    let places = Places::open(context, &args.registry)?;
    let before = places.subject(&args.before, args.platform.as_ref())?;
    let after = places.subject(&args.after, args.platform.as_ref())?;
    let options = DiffOptions { times: args.times };
    let difference = compare::diff(&before, &after, options)?;
    let most = if args.all { usize::MAX } else { MOST };
    let report = match args.format {
        Format::Text => compare::text(&difference, most),
        Format::Markdown => compare::markdown(&difference, most),
        Format::Json => format!("{:#}\n", serde_json::to_value(&difference)?),
    };
    deliver(&report, args.output.as_deref())?;
    let differs = args.exit_code && !difference.is_empty();
    Ok(ExitCode::from(u8::from(differs)))
}
