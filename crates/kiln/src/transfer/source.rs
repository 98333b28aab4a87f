//! Images to work on, from wherever `kiln copy` reads.
//!
//! One way for all commands that look at an image or make another one of it: a place becomes an
//! [`Image`], whose layers are fetched only when they are read.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kiln_oci::{Descriptor, Digest, Document, Image, Platform, Reference, Source as _};
use kiln_remote::daemon::{Daemon, DaemonError};
use kiln_remote::{ContentSource, Name, Remote};
use kiln_store::{Lease, Store, archive, layout};

use super::end::{ImageEnd, LayoutEnd, StoreEnd, remote_image};
use super::moving::Transfers;
use super::place::{Place, Spot};
use super::{Along, transfer};
use crate::registries;
use crate::ui::report::Report;

/// On the manifests that BuildKit puts beside images: the digest of the image that they are about.
const ABOUT: &str = "vnd.docker.reference.digest";

/// The tags beside an image that cosign uses, behind `sha256-<hex>`.
const COMPANIONS: &[&str] = &["sig", "att", "sbom"];

/// Where images are read from.
pub(crate) struct Sources<'a> {
    /// The client for registries.
    pub(crate) remote: &'a Remote,
    /// The local store.
    pub(crate) store: &'a Store,
    /// Keeps what is fetched on the way.
    pub(crate) lease: &'a Lease,
    /// Where the docker daemon listens.
    pub(crate) docker_host: &'a str,
    /// Once true, it ends soon.
    pub(crate) cancelled: &'a Arc<AtomicBool>,
}

impl Sources<'_> {
    /// What a person means by `text` where an image is to be read: a place, or a bare name or id, which is
    /// looked for in the store before it is one of a registry's.
    ///
    /// # Errors
    /// If it is no place, or the store cannot be read.
    pub(crate) fn find(
        &self,
        text: &str,
        environment: &crate::environment::Environment,
        platform: &Platform,
    ) -> Result<(Place, Image), Report> {
        let is_bare = !text.contains("://") && !is_file(text);
        if is_bare {
            if let Some(image) = self.store.image_by_id(text)? {
                let reference = text.parse();
                // An id is no name, but nothing is ever stored under it.
                return Ok((Place::Store(reference?), image));
            }
            if let Ok(reference) = text.parse::<Reference>()
                && self.store.reference(&reference)?.is_some()
            {
                let image = self.store.image(&reference, platform)?;
                return Ok((Place::Store(reference), image));
            }
        }
        let place = Place::parse(text, environment)?;
        match self.image(&place, Some(platform)) {
            Ok(image) => Ok((place, image)),
            Err(report) if is_bare => Err(report.hint(format!(
                "`{text}` is not in the store either: `kiln images` lists what is"
            ))),
            Err(report) => Err(report),
        }
    }

    /// The image at `place` for `platform`. Without one, it is for this machine, or the only one that there
    /// is in an archive.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn image(
        &self,
        place: &Place,
        platform: Option<&Platform>,
    ) -> Result<Image, Report> {
        let wanted = platform.cloned().unwrap_or_else(Platform::host);
        match place {
            Place::Registry(name) => {
                let repository = self.remote.repository(name);
                remote_image(&repository, name, &wanted)
            }
            Place::Store(name) => Ok(self.store.image(name, &wanted)?),
            Place::Layout(spot) | Place::OciArchive(spot) => {
                let layout = layout::open_into(&spot.path, self.store)?;
                Ok(layout.find(spot.wanted.as_deref(), &wanted)?)
            }
            Place::DockerArchive(spot) => self.image_in_archive(spot, platform),
            Place::Daemon(name) => self.image_in_daemon(name, platform),
        }
    }

    /// Sees to it that all of `image` is in the store, without a name, so that it can be rewritten.
    ///
    /// # Errors
    /// If a part of it cannot be had.
    pub(crate) fn bring(&self, image: Image, transfers: &Transfers<'_>) -> Result<Image, Report> {
        self.lease.hold_image(&image)?;
        let source = ImageEnd(image);
        let root = source.root();
        let target = StoreEnd::new(self.store, self.lease);
        let cancelled = self.cancelled;
        transfer(
            &source,
            &target,
            &root,
            None,
            Along::Nothing,
            transfers,
            cancelled,
        )?;
        self.store.sync_all()?;
        Ok(self.store.image_at(&root)?)
    }

    /// What says something about the image at `place` and will not do so of another one: its signatures,
    /// attestations and SBOMs, one line each.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub(crate) fn voided(&self, place: &Place, image: &Image) -> Result<Vec<String>, Report> {
        match place {
            Place::Registry(name) => {
                let repository = self.remote.repository(name);
                let top = repository.manifest(Name::from(name));
                let (top, bytes) = top.map_err(registries::failed)?;
                voided(&repository, &top, &bytes, image)
            }
            Place::Store(name) => {
                let Some(top) = self.store.reference(name)? else {
                    return Ok(vec![]);
                };
                let bytes = self.store.read_document(&top.digest)?;
                let own = Some(name.clone());
                let end = StoreEnd::of_image(self.store, self.lease, own, name)?;
                voided(&end, &top, &bytes, image)
            }
            Place::Layout(spot) | Place::OciArchive(spot) => {
                let layout = layout::open_into(&spot.path, self.store)?;
                let top = layout.entry(spot.wanted.as_deref())?.clone();
                let bytes = layout.document(&top.digest)?;
                voided(&LayoutEnd(layout), &top, &bytes, image)
            }
            // These know nothing but images.
            Place::DockerArchive(_) | Place::Daemon(_) => Ok(vec![]),
        }
    }

    /// The client of the docker daemon.
    pub(crate) fn daemon(&self) -> Result<Daemon, Report> {
        let options = kiln_fetch::ClientOptions {
            cancelled: Arc::clone(self.cancelled),
            ..kiln_fetch::ClientOptions::default()
        };
        Daemon::new(self.docker_host, options).map_err(by_daemon)
    }

    /// The daemon tells its images as a stream; it is kept as long as the lease.
    fn image_in_daemon(
        &self,
        name: &Reference,
        platform: Option<&Platform>,
    ) -> Result<Image, Report> {
        let mut archive = self
            .daemon()?
            .export(&[&name.familiar()])
            .map_err(by_daemon)?;
        let path = self.lease.scratch_path()?;
        let mut file = File::create(&path)?;
        std::io::copy(&mut archive, &mut file)?;
        self.image_in_archive(&Spot { path, wanted: None }, platform)
    }

    fn image_in_archive(&self, spot: &Spot, platform: Option<&Platform>) -> Result<Image, Report> {
        let archive = archive::open_docker_into(&spot.path, self.store)?;
        let wanted = spot.wanted.as_deref();
        match platform {
            Some(platform) => Ok(archive.find(wanted, platform)?),
            None => match archive.images() {
                [(image, _)] if wanted.is_none() => Ok(image.clone()),
                _ => Ok(archive.find(wanted, &Platform::host())?),
            },
        }
    }
}

/// Whether it is written as the place of a file, as other tools do: `oci:DIR`.
fn is_file(text: &str) -> bool {
    let schemes = ["oci:", "oci-archive:", "docker-archive:", "docker-daemon:"];
    schemes.iter().any(|scheme| text.starts_with(scheme))
}

/// A failure of the daemon, with its advice.
pub(crate) fn by_daemon(error: DaemonError) -> Report {
    let hint = error.hint();
    hint.into_iter().fold(Report::from(error), Report::hint)
}

/// Looks for what refers to the image, and to the index that it is listed in.
fn voided(
    source: &dyn ContentSource,
    top: &Descriptor,
    bytes: &[u8],
    image: &Image,
) -> Result<Vec<String>, Report> {
    let failed = |error: kiln_remote::ContentError| {
        Report::new(format!(
            "cannot find out what refers to {}: {error}",
            top.digest
        ))
    };
    let manifest = image.manifest.digest();
    let subjects = BTreeSet::from([manifest, top.digest]);
    let mut found = vec![];
    if let Document::Index(index) = Document::parse(bytes)? {
        for beside in &index.manifests {
            let about = beside.annotations.get(ABOUT);
            if about.is_some_and(|about| *about == manifest.to_string()) {
                found.push(format!(
                    "attestation {} in the index",
                    beside.digest.short()
                ));
            }
        }
    }
    for subject in subjects {
        for referrer in source.referrers(&subject).map_err(failed)? {
            let kind = referrer.artifact_type.as_deref().unwrap_or("referrer");
            found.push(format!("{kind} {}", referrer.digest.short()));
        }
        for kind in COMPANIONS {
            let tag = companion(&subject, kind);
            if source.tagged(&tag).map_err(failed)?.is_some() {
                found.push(format!("tag {tag}"));
            }
        }
    }
    Ok(found)
}

/// The tag under which cosign keeps something about an image.
fn companion(subject: &Digest, kind: &str) -> String {
    format!("{}-{}.{kind}", subject.algorithm().name(), subject.hex())
}
