//! `kiln trace`: where an image's layers come from, and who vouches for them.

mod gather;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_oci::Platform;
use kiln_trust::Time;
use kiln_trust::policy::Demand;
use kiln_trust::trace::{Catalog, Known, Link};

use super::Context;
use crate::registries::{self, RegistryArgs};
use crate::trust::PolicyArgs;
use crate::ui::{self, report::Report};

/// Show the origin of an image's layers: which signed images it really extends, and who built, scanned and approved them
///
/// An image extends another if it has the same layers below its own: labels are not believed. Ancestors are looked for among the images
/// that --base names and those that the catalog remembers.
#[derive(Debug, clap::Args)]
pub(crate) struct TraceArgs {
    /// The images: names of a registry, store://NAME, oci-layout://PATH, oci-archive://FILE, docker-archive://FILE
    #[arg(required = true)]
    images: Vec<String>,
    #[command(flatten)]
    trust: PolicyArgs,
    /// An image that others are built on; may be repeated
    #[arg(long, value_name = "IMAGE")]
    base: Vec<String>,
    /// A file of images that are known; --base adds to it. With it alone nothing is asked of a registry about bases
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// Which image of several platforms
    #[arg(long)]
    platform: Option<Platform>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Write a report for an audit, as one HTML file that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Traces each image. The exit code is 0 only if each image is allowed and all its lower layers are those of allowed images.
pub(crate) fn trace(context: &Context, args: &TraceArgs) -> Result<ExitCode, Report> {
    let now = Time::now();
    let demand = Demand::Signature {
        annotations: Default::default(),
    };
    let trust = args.trust.read(context, demand, now)?;
    let remote = registries::remote(context, &args.registry, registries::interruptible()?)?;
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    let gather = gather::Gather {
        context,
        remote: &remote,
        trust: &trust,
        now,
        platform: &platform,
    };
    let mut catalog = gather::read_catalog(context, args.catalog.as_deref())?;
    for base in &args.base {
        catalog.add(gather.image(base)?);
    }
    if let Some(path) = args.catalog.as_ref().filter(|_| !args.base.is_empty()) {
        gather::write_catalog(context, path, &catalog)?;
    }
    let images = args.images.iter().map(|image| gather.image(image));
    let images = images.collect::<Result<Vec<Known>, _>>()?;
    let text = match args.json {
        true => report::json(&images, &catalog),
        false => report::tree(&images, &catalog),
    };
    ui::print(&text)?;
    if let Some(path) = &args.html {
        let path = context.environment.absolute(path);
        std::fs::write(&path, report::html(&images, &catalog, now))
            .map_err(|error| Report::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    match images.iter().all(|image| is_whole(image, &catalog)) {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Report::new("the chain of origin is broken")),
    }
}

/// Whether the image and each image below it is allowed, and there is one below it.
fn is_whole(image: &Known, catalog: &Catalog) -> bool {
    let links = catalog.trace(&image.diff_ids);
    let below = links.len().saturating_sub(1);
    image.allowed && below > 0 && links[..below].iter().all(Link::is_allowed)
}
