//! `kiln assemble`: images from distribution packages and a lock file.

mod inputs;
mod lock;
mod new;

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use kiln_assemble::{AssembleContext, AssembleError, AssembleOptions, Downloads, assemble as make};
use kiln_oci::Reference;

use super::Context;
use crate::ui::{self, report::Report, transfer::Transfer};
use inputs::Inputs;

/// Make an image from distribution packages, without a Dockerfile
///
/// A short file, image.toml, says what the image should hold; `kiln assemble lock` finds the packages and
/// writes image.lock; `kiln assemble` builds from that alone. The same lock file gives the same digest
/// anywhere.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AssembleArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    make: MakeArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Lock(lock::LockArgs),
    New(new::NewArgs),
}

#[derive(Debug, clap::Args)]
struct MakeArgs {
    /// The image file
    #[arg(default_value = "image.toml")]
    file: PathBuf,
    /// Take a preset instead of a file, with the newest packages
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    preset: Option<String>,
    #[command(flatten)]
    source: new::SourceArgs,
    /// Name of the image; may be repeated
    #[arg(long, short, value_name = "NAME")]
    tag: Vec<String>,
    /// Use only what was fetched before
    #[arg(long)]
    offline: bool,
    /// How many layers are made at once [default: as many as processors]
    #[arg(long, value_name = "NUMBER")]
    threads: Option<NonZero<usize>>,
    /// Show nothing but the digest
    #[arg(long, short)]
    quiet: bool,
}

/// Does what the command line says.
pub(crate) fn assemble(context: &Context, args: &AssembleArgs) -> Result<ExitCode, Report> {
    match &args.action {
        Some(Action::Lock(args)) => lock::lock(context, args),
        Some(Action::New(args)) => new::new(context, args),
        None => build(context, &args.make),
    }
}

fn build(context: &Context, args: &MakeArgs) -> Result<ExitCode, Report> {
    let names: Vec<Reference> = args
        .tag
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let inputs = match &args.preset {
        Some(preset) => Inputs::preset(context, &new::text(preset, &args.source)?)?,
        None => Inputs::read(context, &args.file)?,
    };
    let written = match &args.preset {
        Some(_) => None,
        None => Some(inputs.lock()?.ok_or_else(|| {
            Report::new(format!("`{}` is not there", inputs.lock_path.display())).hint(format!(
                "find the packages first: {}",
                inputs.lock_command()
            ))
        })?),
    };
    let epoch = context
        .environment
        .source_date_epoch
        .as_deref()
        .map(|text| {
            let wrong = || {
                Report::usage(format!(
                    "SOURCE_DATE_EPOCH is `{text}`, not a number of seconds"
                ))
            };
            text.parse::<i64>().map_err(|_| wrong())
        });
    let options = AssembleOptions {
        epoch: epoch.transpose()?,
        threads: args
            .threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZero::get),
    };
    let store = context.store()?;
    let lease = store.lease()?;
    let client = inputs::client(&context.environment, args.offline)?;
    let transfer = Transfer::start(args.quiet);
    let on_event = |event: kiln_assemble::Event<'_>| transfer.event(&event);
    let downloads = Downloads::open(&store, &lease, client.as_ref(), &on_event)?;
    let made = written
        .map_or_else(|| lock::find(&inputs, &downloads, None, true), Ok)
        .and_then(|lock| {
            let context = AssembleContext {
                spec: &inputs.spec,
                lock: &lock,
                architectures: &inputs.architectures,
                directory: &inputs.directory,
                downloads: &downloads,
                store: &store,
                lease: &lease,
            };
            make(&context, options).map_err(|error| explained(error, &inputs))
        });
    transfer.finish();
    let made = made?;
    for name in &names {
        store.set_reference(name, &made.descriptor)?;
    }
    if !args.quiet {
        for (platform, image) in made.images.iter().filter(|_| made.images.len() > 1) {
            ui::note(&format!("{platform} {}", image.digest));
        }
    }
    ui::print(&format!("{}\n", made.descriptor.digest))?;
    Ok(ExitCode::SUCCESS)
}

fn explained(error: AssembleError, inputs: &Inputs) -> Report {
    let hint = match &error {
        AssembleError::Stale => Some(format!("make it anew: {}", inputs.lock_command())),
        AssembleError::Cache(error) if error.is_missing() => Some(
            "mirrors keep only the newest versions: `kiln assemble lock --update`, or name an archive of old \
             states as the repository"
                .to_owned(),
        ),
        AssembleError::Cache(error) => inputs::cache_hint(error),
        _ => None,
    };
    let report = Report::from(error);
    hint.into_iter().fold(report, Report::hint)
}
