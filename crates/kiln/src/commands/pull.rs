//! `kiln pull`: an image from a registry into the store.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use kiln_oci::Reference;

use super::{Context, platform};
use crate::registries::{self, RegistryArgs};
use crate::transfer::moving::Transfers;
use crate::transfer::pull::{Pull, Wanted};
use crate::ui::progress::{Progress, display};
use crate::ui::{self, report::Report};

/// Fetch an image from a registry
#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    /// Names of images: `alpine`, `example.org/team/app:1.0`, `example.org/app@sha256:…`
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// For which platform, for example linux/arm64 [default: this machine's]
    #[arg(long, conflicts_with = "all_platforms")]
    platform: Option<String>,
    /// All platforms, with the attestations beside them
    #[arg(long)]
    all_platforms: bool,
    /// How to show progress
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    progress: Progress,
    /// Print nothing but the digests
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Fetches what is not in the store yet, and names it as it is named in the registry.
pub(crate) fn pull(context: &Context, args: &PullArgs) -> Result<ExitCode, Report> {
    let names: Vec<Reference> = args
        .names
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let wanted = match args.all_platforms {
        true => Wanted::All,
        false => Wanted::Platform(platform(args.platform.as_deref())?),
    };
    let cancelled = registries::interruptible()?;
    let remote = registries::remote(context, &args.registry, Arc::clone(&cancelled))?;
    let store = context.store()?;
    let mode = if args.quiet {
        Progress::Quiet
    } else {
        args.progress
    };
    let display = display(mode, context.environment.color);
    let steps = AtomicUsize::new(0);
    let transfers = Transfers::new(&*display, &steps);
    let mut pulled = vec![];
    let result = names.iter().try_for_each(|name| {
        let lease = store.lease()?;
        let pull = Pull {
            store: &store,
            lease: &lease,
            repository: &remote.repository(name),
            transfers: &transfers,
            cancelled: &cancelled,
        };
        pulled.push(pull.run(name, &wanted)?);
        Ok(())
    });
    display.finish();
    for (name, descriptor) in names.iter().zip(&pulled) {
        let line = match args.quiet {
            true => format!("{}\n", descriptor.digest),
            false => format!("pulled {} {}\n", descriptor.digest, name.familiar()),
        };
        ui::print(&line)?;
    }
    result.map(|()| ExitCode::SUCCESS)
}
