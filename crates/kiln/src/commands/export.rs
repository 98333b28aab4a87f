//! `kiln export`: the root file system of an image as one tar archive.

use std::io::Write as _;
use std::process::ExitCode;

use kiln_store::export::whole_tar;

use super::Context;
use crate::rewriting::{self, LookArgs};
use crate::transfer::partial::Partial;
use crate::ui::{self, report::Report, size::Size};

/// Write the root file system of an image as a tar archive
///
/// What a container would see: one entry for each file, later layers over earlier ones, hard links and attributes
/// kept. The config is not in it; `kiln import --config-of IMAGE` makes an image of the archive again that has it.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    look: LookArgs,
    /// The archive; `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: std::path::PathBuf,
}

/// Writes the archive.
pub(crate) fn export(context: &Context, args: &ExportArgs) -> Result<ExitCode, Report> {
    rewriting::look(context, &args.look, |desk, image| {
        if args.output.as_os_str() == "-" {
            let mut out = std::io::stdout().lock();
            whole_tar(desk.store, image, &mut out)?;
            return Ok(out.flush()?);
        }
        let path = context.environment.absolute(&args.output);
        let partial = Partial::create(&path)?;
        let mut out = partial.writer()?;
        whole_tar(desk.store, image, &mut out)?;
        out.flush()?;
        let size = out.get_ref().metadata()?.len();
        partial.publish()?;
        let before = desk.rewriter.extent(image).map_err(rewriting::failed)?;
        ui::print(&format!(
            "wrote {}, {}; the image's {} layers have {}\n",
            args.output.display(),
            Size(size),
            before.layers,
            Size(before.uncompressed),
        ))?;
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
