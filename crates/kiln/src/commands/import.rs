//! `kiln import`: any root file system archive becomes a base image.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use kiln_analyze::rewrite::Rewriter;
use kiln_oci::{Reference, Sink as _};
use kiln_store::archive::{self, ImportOptions};

use super::{Context, find_image, platform};
use crate::rewriting;
use crate::ui::{self, report::Report, size::Size};

/// Make a base image from a root file system archive
///
/// The archive is a tar, plain or compressed with gzip, bzip2, xz or zstd, as debootstrap's directory or
/// `docker export` and `kiln export` give it. The same archive always gives the same image.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The archive; `-` is standard input
    archive: PathBuf,
    /// Name of the image; may be repeated
    #[arg(long, short, value_name = "NAME", required = true)]
    tag: Vec<String>,
    /// What its programs run on [default: this machine]
    #[arg(long)]
    platform: Option<String>,
    /// Take config and history from this image of the store, whose files the archive has
    #[arg(long, value_name = "IMAGE")]
    config_of: Option<String>,
}

/// Reads the archive once, from wherever it comes.
pub(crate) fn import(context: &Context, args: &ImportArgs) -> Result<ExitCode, Report> {
    let names: Vec<Reference> = args
        .tag
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let store = context.store()?;
    let lease = store.lease()?;
    let (content, comment): (Box<dyn Read + Send>, _) = if args.archive.as_os_str() == "-" {
        (Box::new(io::stdin()), "from standard input".to_owned())
    } else {
        let path = context.environment.absolute(&args.archive);
        let file = File::open(&path).map_err(|error| {
            Report::new(format!("cannot read `{}`: {error}", args.archive.display()))
        })?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        (Box::new(file), format!("from {name}"))
    };
    let options = ImportOptions {
        platform: platform(args.platform.as_deref())?,
        created: None,
        comment,
    };
    let image = archive::import(&store, &lease, content, &options)?;
    if let Some(like) = &args.config_of {
        let like = find_image(&store, like, &options.platform)?;
        let rewriter = Rewriter::new(&store, &lease, Arc::default());
        let made = rewriter
            .with_config_of(&image, &like)
            .map_err(rewriting::failed)?;
        for name in &names {
            store.set_reference(name, &made.descriptor)?;
        }
        let (before, after) = (made.before, made.after);
        ui::print(&format!(
            "imported {} {}\n{} had {} in {} layers; this has {} in one\n",
            made.descriptor.digest,
            args.tag.join(" "),
            args.config_of.as_deref().unwrap_or_default(),
            Size(before.uncompressed),
            before.layers,
            Size(after.uncompressed),
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let descriptor = store.put(&image, &names)?;
    ui::print(&format!(
        "imported {} {}\n",
        descriptor.digest,
        args.tag.join(" ")
    ))?;
    Ok(ExitCode::SUCCESS)
}
