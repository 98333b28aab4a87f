//! `kiln assemble new`: a preset's image file, as a beginning.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use kiln_assemble::{PRESETS, Preset, PresetSource};

use super::inputs::own_architecture;
use crate::commands::Context;
use crate::ui::{self, report::Report};

/// Where a preset's packages come from.
#[derive(Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// The mirror to take packages from
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// The release
    #[arg(long, default_value = "stable")]
    suite: String,
    /// The mirror's keys
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/usr/share/keyrings/debian-archive-keyring.gpg"
    )]
    keyring: String,
}

/// Write an image file to begin with
///
/// Presets: static, busybox, base, cc, python3, nodejs, java.
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// Where to write it
    #[arg(default_value = "image.toml")]
    file: PathBuf,
    /// What kind of image
    #[arg(long, default_value = "base")]
    preset: String,
    #[command(flatten)]
    source: SourceArgs,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

/// The image file of a preset.
pub(super) fn text(preset: &str, source: &SourceArgs) -> Result<String, Report> {
    let preset = Preset::find(preset).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        Report::usage(format!("there is no preset `{preset}`"))
            .hint(format!("there are {}", names.join(", ")))
    })?;
    let mirror = source.mirror.as_deref().ok_or_else(|| {
        Report::usage("a preset needs --mirror, the address of a Debian mirror")
            .hint("the one that your own system uses is in /etc/apt/sources.list or sources.list.d")
    })?;
    let source = PresetSource {
        mirror,
        suite: &source.suite,
        keyring: &source.keyring,
    };
    Ok(preset.text(source, &[own_architecture()?]))
}

/// Writes the file.
pub(super) fn new(context: &Context, args: &NewArgs) -> Result<ExitCode, Report> {
    let text = text(&args.preset, &args.source)?;
    let path = context.environment.absolute(&args.file);
    let file = match args.force {
        true => File::create(&path),
        false => File::create_new(&path),
    };
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let report = Report::new(format!("cannot write `{}`: {error}", args.file.display()));
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => report.hint("--force replaces it"),
            _ => report,
        }
    })?;
    ui::note(&format!(
        "wrote {}; next: kiln assemble lock",
        args.file.display()
    ));
    Ok(ExitCode::SUCCESS)
}
