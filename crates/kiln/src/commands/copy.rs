//! `kiln copy`: images between registries, files, the store and the docker daemon.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use kiln_oci::{Descriptor, Document, Image, Platform, Reference};
use kiln_remote::{ContentSource, ContentTarget, Name, Remote};
use kiln_store::layout::{LayoutArchive, LayoutDirectory};
use kiln_store::{Lease, Store, archive, layout};

use super::Context;
use crate::registries::{self, RegistryArgs};
use crate::transfer::end::{ArchiveTarget, DirectoryTarget, ImageEnd, LayoutEnd, StoreEnd, choose};
use crate::transfer::moving::Transfers;
use crate::transfer::partial::Partial;
use crate::transfer::place::{Place, Spot};
use crate::transfer::source::{Sources, by_daemon};
use crate::transfer::{Along, transfer};
use crate::ui::progress::{Progress, display};
use crate::ui::{self, report::Report};

/// Copy an image from one place to another
///
/// A place is a name of a registry, or store://NAME, oci-layout://PATH[:TAG], oci-archive://FILE[:TAG],
/// docker-archive://FILE[:NAME], docker-daemon://NAME. Everything that the name stands for is copied as it is, so digests stay: all
/// platforms, and what refers to the image, such as signatures.
#[derive(Debug, clap::Args)]
pub(crate) struct CopyArgs {
    /// Where from
    #[arg(value_name = "FROM")]
    source: String,
    /// Where to
    #[arg(value_name = "TO")]
    target: String,
    /// Only the image for this platform, for example linux/arm64
    #[arg(long, conflicts_with = "all_platforms")]
    platform: Option<Platform>,
    /// All platforms, which is the default wherever several can be kept
    #[arg(long)]
    all_platforms: bool,
    /// Leave out what refers to the image: signatures, attestations, SBOMs
    #[arg(long)]
    no_referrers: bool,
    /// How to show progress
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    progress: Progress,
    /// Print nothing but the digest
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What a copy works with.
struct Copy<'a> {
    args: &'a CopyArgs,
    remote: Remote,
    store: Store,
    lease: Lease,
    transfers: Transfers<'a>,
    cancelled: Arc<AtomicBool>,
    docker_host: &'a str,
}

/// Copies, and says under which digest the image is now there.
pub(crate) fn copy(context: &Context, args: &CopyArgs) -> Result<ExitCode, Report> {
    let from = Place::parse(&args.source, &context.environment)?;
    let to = Place::parse(&args.target, &context.environment)?;
    let cancelled = registries::interruptible()?;
    let remote = registries::remote(context, &args.registry, Arc::clone(&cancelled))?;
    let store = context.store()?;
    let lease = store.lease()?;
    let mode = if args.quiet {
        Progress::Quiet
    } else {
        args.progress
    };
    let (display, steps) = (
        display(mode, context.environment.color),
        AtomicUsize::new(0),
    );
    let copy = Copy {
        args,
        remote,
        store,
        lease,
        transfers: Transfers::new(&*display, &steps),
        cancelled,
        docker_host: &context.environment.docker_host,
    };
    let copied = copy.run(&from, &to);
    display.finish();
    let digest = copied?.digest;
    match args.quiet {
        true => ui::print(&format!("{digest}\n"))?,
        false => ui::print(&format!("copied {digest} {}\n", args.target))?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Copy<'_> {
    fn sources(&self) -> Sources<'_> {
        Sources {
            remote: &self.remote,
            store: &self.store,
            lease: &self.lease,
            docker_host: self.docker_host,
            cancelled: &self.cancelled,
        }
    }

    fn run(&self, from: &Place, to: &Place) -> Result<Descriptor, Report> {
        match to {
            Place::DockerArchive(spot) => return self.to_docker(from, spot),
            Place::Daemon(name) => return self.to_daemon(from, name),
            _ => {}
        }
        match from {
            Place::Registry(name) => {
                let repository = self.remote.repository(name);
                let found = repository.resolve(Name::from(name));
                let root = found.map_err(registries::failed)?;
                self.send(&repository, &root, name, to)
            }
            Place::Store(name) => {
                let root = self.store.reference(name)?.ok_or_else(|| {
                    Report::new(format!("`{}` is not in the store", name.familiar()))
                        .hint("`kiln images` lists what is there")
                })?;
                let near = match to {
                    Place::Registry(to) => to,
                    _ => name,
                };
                let own = Some(name.clone());
                let source = StoreEnd::of_image(&self.store, &self.lease, own, near)?;
                self.send(&source, &root, name, to)
            }
            Place::Layout(spot) | Place::OciArchive(spot) => {
                let layout = layout::open_into(&spot.path, &self.store)?;
                let root = layout.entry(spot.wanted.as_deref())?.clone();
                let bare = Descriptor {
                    annotations: std::collections::BTreeMap::new(),
                    ..root
                };
                self.send(&LayoutEnd(layout), &bare, &spot.reference()?, to)
            }
            Place::DockerArchive(spot) => {
                let image = self.sources().image(from, self.args.platform.as_ref())?;
                let source = ImageEnd(image);
                self.send(&source, &source.root(), &spot.reference()?, to)
            }
            Place::Daemon(name) => {
                let image = self.sources().image(from, self.args.platform.as_ref())?;
                let source = ImageEnd(image);
                self.send(&source, &source.root(), name, to)
            }
        }
    }

    /// Sends `root`, or the image below it that was asked for, to a place that keeps content as it is.
    fn send(
        &self,
        source: &dyn ContentSource,
        root: &Descriptor,
        name: &Reference,
        to: &Place,
    ) -> Result<Descriptor, Report> {
        let root = &self.chosen(source, root, name)?;
        match to {
            Place::Registry(to) => {
                let repository = self.remote.repository(to);
                let tag = match Name::from(to) {
                    Name::Tag(tag) => Some(tag),
                    Name::Digest(digest) if *digest == root.digest => None,
                    Name::Digest(digest) => {
                        return Err(Report::new(format!(
                            "the image is {}, and cannot be copied as {digest}",
                            root.digest
                        )));
                    }
                };
                self.transfer(source, &repository, root, tag)?;
            }
            Place::Store(to) => {
                let target = StoreEnd::new(&self.store, &self.lease);
                self.transfer(source, &target, root, None)?;
                self.store.sync_all()?;
                self.store.set_reference(to, root)?;
            }
            Place::Layout(spot) => {
                let names = spot.names()?;
                let target = DirectoryTarget(LayoutDirectory::create(&spot.path)?);
                self.transfer(source, &target, root, None)?;
                target.0.name(root, &names)?;
            }
            Place::OciArchive(spot) => self.to_archive(source, root, spot)?,
            Place::DockerArchive(_) | Place::Daemon(_) => {
                unreachable!("because these take an image, not content")
            }
        }
        Ok(root.clone())
    }

    fn transfer(
        &self,
        source: &dyn ContentSource,
        target: &dyn ContentTarget,
        root: &Descriptor,
        tag: Option<&str>,
    ) -> Result<(), Report> {
        let along = match self.args.no_referrers {
            true => Along::Nothing,
            false => Along::Referrers,
        };
        let (transfers, cancelled) = (&self.transfers, &self.cancelled);
        transfer(source, target, root, tag, along, transfers, cancelled).map(drop)
    }

    /// `root`, or with `--platform` the manifest below it.
    fn chosen(
        &self,
        source: &dyn ContentSource,
        root: &Descriptor,
        name: &Reference,
    ) -> Result<Descriptor, Report> {
        let Some(platform) = &self.args.platform else {
            return Ok(root.clone());
        };
        let mut descriptor = root.clone();
        loop {
            let bytes = source.manifest(&descriptor).map_err(|error| {
                Report::new(format!("cannot read {}: {error}", descriptor.digest))
            })?;
            match Document::parse(&bytes)? {
                Document::Manifest(_) => return Ok(descriptor),
                Document::Index(index) => descriptor = choose(&index, name, platform)?,
            }
        }
    }

    fn to_archive(
        &self,
        source: &dyn ContentSource,
        root: &Descriptor,
        spot: &Spot,
    ) -> Result<(), Report> {
        let names = spot.names()?;
        let partial = Partial::create(&spot.path)?;
        let target = ArchiveTarget(LayoutArchive::create(partial.writer()?)?);
        self.transfer(source, &target, root, None)?;
        let mut out = target.0.finish(root, &names, &[])?;
        out.flush()?;
        partial.publish()
    }

    /// An archive for docker, of one image.
    fn to_docker(&self, from: &Place, spot: &Spot) -> Result<Descriptor, Report> {
        let image = self.single(from)?;
        let partial = Partial::create(&spot.path)?;
        let mut out = partial.writer()?;
        archive::write_docker(&image, &spot.names()?, &mut out)?;
        out.flush()?;
        partial.publish()?;
        Ok(ImageEnd(image).root())
    }

    /// The one image that docker's archives and its daemon take.
    fn single(&self, from: &Place) -> Result<Image, Report> {
        if self.args.all_platforms {
            return Err(Report::usage("docker takes one platform at a time")
                .hint("oci-archive://FILE holds several"));
        }
        self.sources().image(from, self.args.platform.as_ref())
    }

    fn to_daemon(&self, from: &Place, name: &Reference) -> Result<Descriptor, Report> {
        let image = self.single(from)?;
        let daemon = self.sources().daemon()?;
        let (mut reader, mut writer) = std::io::pipe()?;
        let names = std::slice::from_ref(name);
        std::thread::scope(|scope| {
            let image = &image;
            let written = scope.spawn(move || archive::write_docker(image, names, &mut writer));
            let loaded = daemon.import(&mut reader);
            drop(reader);
            let written = written.join().expect("because writing does not panic");
            match loaded {
                // A daemon that hangs up is why the archive could not be written.
                Err(error) => Err(by_daemon(error)),
                Ok(_) => Ok(written?),
            }
        })?;
        Ok(ImageEnd(image).root())
    }
}
