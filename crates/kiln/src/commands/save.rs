//! `kiln save`: images leave the store as files.

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_oci::Reference;

use super::{Context, find_image, platform};
use crate::commands::build::output::{Format, Output, write_image};
use crate::ui::{self, report::Report};

/// Write an image to a file that other tools can load
#[derive(Debug, clap::Args)]
pub(crate) struct SaveArgs {
    /// Name or id
    image: String,
    /// Where to: a file, or a directory for --format oci-dir; `-` is standard output
    #[arg(long, short)]
    output: PathBuf,
    /// Which kind of file
    #[arg(long, value_enum, default_value_t)]
    format: SaveFormat,
    /// zstd, gzip or none; layers that are compressed already stay as they are
    #[arg(long, default_value = "gzip")]
    compression: String,
    /// Level of the compression
    #[arg(long)]
    compression_level: Option<i32>,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<String>,
}

/// What an image can be written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum SaveFormat {
    /// What `docker load` and `podman load` read.
    #[default]
    Docker,
    /// A tar archive of an OCI layout.
    Oci,
    /// A directory with an OCI layout.
    OciDir,
}

/// Writes the file.
pub(crate) fn save(context: &Context, args: &SaveArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let image = find_image(&store, &args.image, &platform(args.platform.as_deref())?)?;
    let names: Vec<Reference> = args.image.parse().into_iter().collect();
    let output = Output {
        format: match args.format {
            SaveFormat::Docker => Format::Docker,
            SaveFormat::Oci => Format::Oci,
            SaveFormat::OciDir => Format::OciDirectory,
        },
        dest: Some(context.environment.absolute(&args.output)),
        names: vec![],
        compression: kiln_layer::Compression::parse(&args.compression, args.compression_level)?,
    };
    write_image(&store, &image, &names, &output)?;
    ui::note(&format!("wrote {}", args.output.display()));
    Ok(ExitCode::SUCCESS)
}
