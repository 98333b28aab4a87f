//! Caches that a build reads: what they know is read at the beginning, a layer when a step needs it.

use std::io::Read;
use std::path::Path;

use kiln_build::{Made, StepCache};
use kiln_oci::{Descriptor, Digest, Reference};
use kiln_remote::{Name, Remote, RemoteError, Repository};
use kiln_store::layout::{self, Layout};
use kiln_store::{Lease, Store};

use super::format::{self, Known};
use super::spec::CachePlace;
use super::{Flags, LAYOUT_NAME, manifest};
use crate::registries;
use crate::transfer::moving::Transfers;
use crate::ui::report::{Report, Reported};

/// Where the layers of a cache lie.
enum Origin {
    Repository(Repository),
    Layout(Box<Layout>),
}

impl Origin {
    fn open(&self, layer: &Descriptor) -> Result<Box<dyn Read + Send>, Report> {
        match self {
            Self::Repository(repository) => {
                let reader = repository.open(layer).map_err(registries::failed)?;
                Ok(Box::new(reader))
            }
            Self::Layout(layout) => Ok(layout.open(layer)?),
        }
    }
}

/// The caches that a build reads.
pub(in crate::commands::build) struct Caches<'a> {
    store: &'a Store,
    transfers: Transfers<'a>,
    known: Vec<(Known, Origin)>,
}

impl<'a> Caches<'a> {
    /// Reads what the caches know. One that is not there or cannot be read is told to `warn`, and left out.
    pub(in crate::commands::build) fn open(
        store: &'a Store,
        flags: &Flags,
        remote: impl Fn() -> Result<Remote, Report>,
        transfers: Transfers<'a>,
        warn: &dyn Fn(&str),
    ) -> Result<Self, Report> {
        let mut known = vec![];
        for place in &flags.from {
            let opened = match place {
                CachePlace::Registry(name) => from_registry(&remote()?, name),
                CachePlace::Directory(path) => from_layout(path),
            };
            match opened {
                Ok(cache) => known.push(cache),
                Err(report) => {
                    let why = report.message();
                    warn(&format!("the cache {place} is not used: {why}"));
                }
            }
        }
        Ok(Self {
            store,
            transfers,
            known,
        })
    }

    /// Brings the layer that a step made into the store.
    fn bring(
        &self,
        (known, origin): &(Known, Origin),
        made: &Made,
        layer: &Descriptor,
        lease: &Lease,
    ) -> Result<(), Report> {
        lease.hold_blob(&made.diff_id)?;
        if self.store.has_blob(&made.diff_id)? {
            return Ok(());
        }
        let moving = self.transfers.begin(layer);
        let mut content = moving.counted(origin.open(layer)?);
        self.store.put_blob(lease, layer, &mut content)?;
        drop(content);
        if layer.digest != made.diff_id {
            let (diff_id, kind) = (&made.diff_id, &known.compression);
            self.store.record_compressed(diff_id, kind, layer)?;
            // This also compares the layer with its diff id.
            self.store.layer_tar(diff_id)?;
        }
        moving.arrived();
        Ok(())
    }
}

impl StepCache for Caches<'_> {
    fn fetch(
        &self,
        key: &Digest,
        lease: &Lease,
    ) -> Result<Option<Made>, Box<dyn std::error::Error + Send + Sync>> {
        for cache in &self.known {
            if let Some((made, layer)) = cache.0.steps.get(key) {
                self.bring(cache, made, layer, lease).map_err(Reported)?;
                return Ok(Some(*made));
            }
        }
        Ok(None)
    }
}

fn from_registry(remote: &Remote, name: &Reference) -> Result<(Known, Origin), Report> {
    let repository = remote.repository(name);
    let (_, bytes) = match repository.manifest(Name::from(name)) {
        Err(RemoteError::NotFound { .. }) => return Err(Report::new("there is none yet")),
        found => found.map_err(registries::failed)?,
    };
    let manifest = manifest(&bytes)?;
    let mut config = vec![];
    repository
        .download(format::config_of(&manifest)?, &mut config, &|_| {})
        .map_err(registries::failed)?;
    let known = format::read(&manifest, &config)?;
    Ok((known, Origin::Repository(repository)))
}

fn from_layout(path: &Path) -> Result<(Known, Origin), Report> {
    if !path.exists() {
        return Err(Report::new("there is none yet"));
    }
    let layout = layout::open(path)?;
    let name: Reference = LAYOUT_NAME.parse()?;
    let entry = layout.entry(Some(&name.to_string()))?;
    let manifest = manifest(&layout.document(&entry.digest)?)?;
    let mut config = vec![];
    layout
        .open(format::config_of(&manifest)?)?
        .read_to_end(&mut config)?;
    let known = format::read(&manifest, &config)?;
    Ok((known, Origin::Layout(Box::new(layout))))
}
