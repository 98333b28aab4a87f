//! `kiln push`: an image of the store to a registry.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use kiln_layer::Compression;
use kiln_oci::{Descriptor, Platform, Reference, media_type};
use kiln_store::Store;

use super::{Context, find_image};
use crate::registries::{self, RegistryArgs};
use crate::transfer::moving::Transfers;
use crate::transfer::push::Push;
use crate::ui::progress::{Progress, display};
use crate::ui::{self, report::Report};

/// Send an image to a registry
///
/// Layers that were built here lie uncompressed in the store; they are compressed, and the manifest in the
/// registry names them so. With --compression none, and for images that have no such layers, it is the manifest
/// of the store.
#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    /// Name or id of the image
    image: String,
    /// What it shall be called there [default: its name]
    #[arg(value_name = "AS")]
    name: Option<String>,
    /// Only the image for this platform, for example linux/arm64
    #[arg(long)]
    platform: Option<String>,
    /// For layers that are not compressed yet: zstd, gzip or none
    #[arg(long, default_value = "zstd")]
    compression: String,
    /// Level of the compression
    #[arg(long)]
    compression_level: Option<i32>,
    /// How to show progress
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    progress: Progress,
    /// Print nothing but the digest
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Sends what the registry does not have, and names it there.
pub(crate) fn push(context: &Context, args: &PushArgs) -> Result<ExitCode, Report> {
    let to: Reference = match &args.name {
        Some(name) => name.parse()?,
        None => args.image.parse()?,
    };
    let compression = Compression::parse(&args.compression, args.compression_level)?;
    let cancelled = registries::interruptible()?;
    let remote = registries::remote(context, &args.registry, Arc::clone(&cancelled))?;
    let store = context.store()?;
    let lease = store.lease()?;
    let descriptor = find(&store, &args.image, args.platform.as_deref())?;
    let mode = if args.quiet {
        Progress::Quiet
    } else {
        args.progress
    };
    let display = display(mode, context.environment.color);
    let pushed = Push {
        store: &store,
        lease: &lease,
        repository: &remote.repository(&to),
        transfers: &Transfers::new(&*display, &AtomicUsize::new(0)),
        cancelled: &cancelled,
        compression: &compression,
    }
    .run(&descriptor, &to);
    display.finish();
    let digest = pushed?.digest;
    let line = match args.quiet {
        true => format!("{digest}\n"),
        false => format!("pushed {digest} {}\n", to.familiar()),
    };
    ui::print(&line)?;
    Ok(ExitCode::SUCCESS)
}

/// The manifest or index that `name` stands for; for one platform, its manifest.
fn find(store: &Store, name: &str, platform: Option<&str>) -> Result<Descriptor, Report> {
    let reference = name.parse::<Reference>().ok();
    let named = reference.map(|reference| store.reference(&reference));
    if let (Some(descriptor), None) = (named.transpose()?.flatten(), platform) {
        return Ok(descriptor);
    }
    let platform: Platform = super::platform(platform)?;
    let image = find_image(store, name, &platform)?;
    let kind = image.manifest.media_type.as_deref();
    let kind = kind.unwrap_or(media_type::OCI_MANIFEST);
    Ok(Descriptor::of(kind, image.manifest.bytes()))
}
