//! Caches that a build writes when it has gone well.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use kiln_build::{Built, Made};
use kiln_oci::{Descriptor, Digest, Reference, media_type};
use kiln_remote::{Name, Remote, UploadOptions, Uploaded};
use kiln_store::Store;
use kiln_store::export::layer;
use kiln_store::layout::LayoutDirectory;

use super::format::{self, Documents};
use super::spec::{CachePlace, CacheTo, Mode};
use super::{Flags, LAYOUT_NAME};
use crate::registries;
use crate::transfer::moving::Transfers;
use crate::ui::report::Report;
use crate::ui::{self};

/// Keeps the results of a build where the flags say.
pub(in crate::commands::build) fn export(
    store: &Store,
    built: &Built,
    flags: &Flags,
    remote: impl Fn() -> Result<Remote, Report>,
    transfers: &Transfers<'_>,
) -> Result<(), Report> {
    for to in &flags.to {
        match write(store, built, to, &remote, transfers) {
            Err(report) if to.ignore_error && !report.is_interrupted() => {
                let why = report.message();
                ui::note(&format!(
                    "warning: the cache {} is not written: {why}",
                    to.place
                ));
            }
            result => result?,
        }
    }
    Ok(())
}

fn write(
    store: &Store,
    built: &Built,
    to: &CacheTo,
    remote: impl Fn() -> Result<Remote, Report>,
    transfers: &Transfers<'_>,
) -> Result<(), Report> {
    let steps = wanted(store, built, to.mode)?;
    let diff_ids: HashSet<Digest> = steps.values().map(|made| made.diff_id).collect();
    let layers = diff_ids.into_iter().map(|diff_id| {
        let kept = layer(store, &built.lease, &diff_id, &to.compression)?;
        Ok((diff_id, kept))
    });
    let layers: HashMap<Digest, Descriptor> = layers.collect::<Result<_, Report>>()?;
    let documents = format::write(&steps, &layers, &to.compression);
    match &to.place {
        CachePlace::Registry(name) => to_registry(store, &remote()?, name, &documents, transfers),
        CachePlace::Directory(path) => to_layout(store, path, &documents, transfers),
    }
}

/// The results to keep: all, or those that are layers of the images.
fn wanted(store: &Store, built: &Built, mode: Mode) -> Result<BTreeMap<Digest, Made>, Report> {
    let mut steps = built.steps.clone();
    if mode == Mode::Min {
        let mut kept = HashSet::new();
        for image in &built.images {
            let image = store.image_at(&image.manifest)?;
            kept.extend(image.config.rootfs.diff_ids.iter().copied());
        }
        steps.retain(|_, made| kept.contains(&made.diff_id));
    }
    Ok(steps)
}

fn to_registry(
    store: &Store,
    remote: &Remote,
    name: &Reference,
    documents: &Documents,
    transfers: &Transfers<'_>,
) -> Result<(), Report> {
    let repository = remote.repository(name);
    let manifest = &documents.manifest;
    let options = UploadOptions::default();
    for layer in &manifest.layers {
        let moving = transfers.begin(layer);
        let source = store.blob_path(&layer.digest);
        let sent = repository.upload(layer, &source, &options, &|done| moving.progress(done));
        match sent.map_err(registries::failed)? {
            Uploaded::Sent => moving.arrived(),
            Uploaded::Existed | Uploaded::Mounted => moving.existed(),
        }
    }
    let sent = repository.upload(&manifest.config, &documents.config, &options, &|_| {});
    sent.map_err(registries::failed)?;
    let kind = media_type::OCI_MANIFEST;
    let put = repository.put_manifest(Name::from(name), kind, manifest.bytes());
    put.map(drop).map_err(registries::failed)
}

fn to_layout(
    store: &Store,
    path: &Path,
    documents: &Documents,
    transfers: &Transfers<'_>,
) -> Result<(), Report> {
    let directory = LayoutDirectory::create(path)?;
    let manifest = &documents.manifest;
    for layer in &manifest.layers {
        let moving = transfers.begin(layer);
        if directory.has(layer) {
            moving.existed();
            continue;
        }
        let file = File::open(store.blob_path(&layer.digest))?;
        directory.put(layer, &mut moving.counted(file))?;
        moving.arrived();
    }
    directory.put(&manifest.config, &mut &documents.config[..])?;
    let descriptor = Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes());
    directory.put(&descriptor, &mut manifest.bytes())?;
    Ok(directory.name(&descriptor, &[LAYOUT_NAME.parse()?])?)
}
