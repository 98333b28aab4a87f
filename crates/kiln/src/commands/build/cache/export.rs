//! Caches that a build writes when it has gone well.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kiln_build::{Built, Made};
use kiln_oci::{Descriptor, Digest, media_type};
use kiln_remote::{Name, Remote};
use kiln_store::Store;
use kiln_store::export::layer;
use kiln_store::layout::LayoutDirectory;

use super::format::{self, Documents};
use super::spec::{CachePlace, CacheTo, Mode};
use super::{Flags, LAYOUT_NAME};
use crate::transfer::end::{DirectoryTarget, StoreEnd};
use crate::transfer::moving::Transfers;
use crate::transfer::{Along, transfer};
use crate::ui::report::Report;
use crate::ui::{self};

/// Keeps the results of a build where the flags say.
pub(in crate::commands::build) fn export(
    store: &Store,
    built: &Built,
    flags: &Flags,
    remote: impl Fn() -> Result<Remote, Report>,
    transfers: &Transfers<'_>,
    cancelled: &Arc<AtomicBool>,
) -> Result<(), Report> {
    for to in &flags.to {
        match write(store, built, to, &remote, transfers, cancelled) {
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
    cancelled: &Arc<AtomicBool>,
) -> Result<(), Report> {
    let steps = wanted(store, built, to.mode)?;
    let diff_ids: HashSet<Digest> = steps.values().map(|made| made.diff_id).collect();
    let layers = diff_ids.into_iter().map(|diff_id| {
        let kept = layer(store, &built.lease, &diff_id, &to.compression)?;
        Ok((diff_id, kept))
    });
    let layers: HashMap<Digest, Descriptor> = layers.collect::<Result<_, Report>>()?;
    let root = keep_documents(
        store,
        built,
        &format::write(&steps, &layers, &to.compression),
    )?;
    let nothing = Along::Nothing;
    match &to.place {
        CachePlace::Registry(name) => {
            let tag = match Name::from(name) {
                Name::Tag(tag) => Some(tag),
                Name::Digest(_) => None,
            };
            let source = StoreEnd::of_image(store, &built.lease, None, name)?;
            let repository = remote()?.repository(name);
            transfer(
                &source,
                &repository,
                &root,
                tag,
                nothing,
                transfers,
                cancelled,
            )?;
            Ok(())
        }
        CachePlace::Directory(path) => {
            let source = StoreEnd::new(store, &built.lease);
            let target = DirectoryTarget(LayoutDirectory::create(path)?);
            transfer(&source, &target, &root, None, nothing, transfers, cancelled)?;
            Ok(target.0.name(&root, &[LAYOUT_NAME.parse()?])?)
        }
    }
}

/// Puts the documents beside the layers, from where all leave together; the next prune takes them.
fn keep_documents(
    store: &Store,
    built: &Built,
    documents: &Documents,
) -> Result<Descriptor, Report> {
    let Documents { config, manifest } = documents;
    store.put_blob(&built.lease, &manifest.config, &mut &config[..])?;
    store.put_document(&built.lease, manifest.bytes())?;
    Ok(Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes()))
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
