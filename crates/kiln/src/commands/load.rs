//! `kiln load`: images from files that other tools wrote.

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_oci::{Image, Reference, Sink as _};
use kiln_store::archive;

use super::Context;
use crate::ui::{self, report::Report};

/// Take images from a `docker save` archive or an OCI layout
///
/// Archives may be compressed as a whole, with gzip, bzip2, xz or zstd.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// The archive, or an OCI layout's directory
    #[arg(long, short)]
    input: PathBuf,
    /// Name for the image, where there is just one
    #[arg(long, short, value_name = "NAME")]
    tag: Option<String>,
}

/// Loads every image under the names it has there. Digests stay as they are.
pub(crate) fn load(context: &Context, args: &LoadArgs) -> Result<ExitCode, Report> {
    let store = context.store()?;
    let path = context.environment.absolute(&args.input);
    let images: Vec<(Image, Vec<String>)> = archive::open_images(&path, &store)?;
    if images.is_empty() {
        return Err(Report::new(format!(
            "there is no image in `{}`",
            args.input.display()
        )));
    }
    let given: Option<Reference> = args.tag.as_deref().map(str::parse).transpose()?;
    if given.is_some() && images.len() > 1 {
        return Err(Report::usage(format!(
            "--tag names one image, but there are {}",
            images.len()
        )));
    }
    for (image, names) in images {
        let names: Vec<Reference> = match &given {
            Some(name) => vec![name.clone()],
            // A layout may hold a bare tag, which names nothing outside of it.
            None => names
                .iter()
                .filter(|name| name.contains([':', '/']))
                .filter_map(|name| name.parse().ok())
                .collect(),
        };
        if names.is_empty() {
            return Err(
                Report::new("the image has no name in there").hint("give it one with --tag NAME")
            );
        }
        let descriptor = store.put(&image, &names)?;
        let shown: Vec<String> = names.iter().map(Reference::familiar).collect();
        ui::print(&format!(
            "loaded {} {}\n",
            descriptor.digest,
            shown.join(" ")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
