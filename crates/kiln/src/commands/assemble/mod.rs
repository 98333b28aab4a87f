//! `kiln assemble`: images from distribution packages and a lock file.

mod ask;
mod from;
mod inputs;
mod lock;
mod make;
mod new;
mod resolve;
mod sources;

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use kiln_assemble::{Downloads, Preset, Scripts, Spec};
use kiln_oci::Reference;

use super::Context;
use crate::ui::{self, report::Report, transfer::Transfer};
use inputs::Inputs;
use make::Making;
pub(crate) use resolve::{SCHEME, resolve};

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
    /// Find out which packages a program, or a directory of an application, needs, and offer to add them to the
    /// image file; nothing is made yet
    #[arg(long, value_name = "PATH", conflicts_with_all = ["preset", "tag", "sbom"])]
    from: Option<PathBuf>,
    /// With --from, add without asking
    #[arg(long, short, requires = "from")]
    yes: bool,
    /// Take a preset instead of a file, with the newest packages
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    preset: Option<String>,
    #[command(flatten)]
    source: new::SourceArgs,
    /// Name of the image; may be repeated
    #[arg(long, short, value_name = "NAME")]
    tag: Vec<String>,
    /// Write what the image is made of to a file, as SPDX 2.3 in JSON
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
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

impl AssembleArgs {
    /// Whether maintainer scripts will run. What cannot be read is told about later.
    pub(crate) fn runs_scripts(&self) -> bool {
        if self.action.is_some() || self.make.from.is_some() {
            return false;
        }
        if let Some(preset) = &self.make.preset {
            return Preset::find(preset).is_some_and(Preset::runs_scripts);
        }
        let text = std::fs::read_to_string(&self.make.file).unwrap_or_default();
        let spec = text.parse::<Spec>();
        spec.is_ok_and(|spec| spec.scripts == Scripts::Run)
    }
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
    if let Some(program) = &args.from {
        return from::from(
            context,
            &from::FromArgs {
                from: program,
                file: &args.file,
                source: &args.source,
                yes: args.yes,
                offline: args.offline,
                quiet: args.quiet,
            },
        );
    }
    let names: Vec<Reference> = args
        .tag
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, _>>()?;
    let inputs = match &args.preset {
        Some(preset) => {
            let source = args.source.resolved(context)?;
            let text = new::text(preset, &source, &[inputs::own_architecture()?])?;
            Inputs::preset(context, &text)?
        }
        None => Inputs::read(context, &args.file)?,
    };
    let written = match &args.preset {
        Some(_) => None,
        None => Some(inputs.needed_lock()?),
    };
    let store = context.store()?;
    let lease = store.lease()?;
    let client = inputs::client(&context.environment, args.offline)?;
    let transfer = Transfer::start(args.quiet);
    let on_event = |event: kiln_assemble::Event<'_>| transfer.event(&event);
    let downloads = Downloads::open(&store, &lease, client.as_ref(), &on_event)?;
    let making = Making {
        context,
        store: &store,
        lease: &lease,
        downloads: &downloads,
        threads: args.threads,
    };
    let made = making.make(&inputs, written);
    transfer.finish();
    let (lock, made) = made?;
    for name in &names {
        store.set_reference(name, &made.descriptor)?;
    }
    if let Some(path) = &args.sbom {
        let name = args.tag.first().map_or("image", String::as_str);
        let text = kiln_assemble::sbom(name, &lock, &made);
        let path = context.environment.absolute(path);
        std::fs::write(&path, text)
            .map_err(|error| Report::new(format!("cannot write `{}`: {error}", path.display())))?;
    }
    if !args.quiet {
        for image in made.images.iter().filter(|_| made.images.len() > 1) {
            let platform = image.architecture.platform();
            ui::note(&format!("{platform} {}", image.descriptor.digest));
        }
    }
    ui::print(&format!("{}\n", made.descriptor.digest))?;
    Ok(ExitCode::SUCCESS)
}
