//! From a lock file to images: archives stream from the cache into layers.
//!
//! ```text
//! archive.deb -> digest checked -> control.tar -> status.d
//!                               -> data.tar    -> placed and sifted -> the layer of its source package
//! what scripts would have made, users, files of image.toml         -> the last layer
//! ```
//!
//! Packages of one source share a layer, so that images that have the same packages have the same
//! layers, whatever else is in them. Layers are made side by side; none depends on another but for files
//! that two packages have (see [`overlap`]), so that their number of threads never shows.

mod config;
mod error;
mod group;
mod last;
mod made;
mod overlap;
mod package;
mod place;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use kiln_oci::{Descriptor, Index, Platform, Raw, media_type};
use kiln_store::{Lease, Store};

pub use error::AssembleError;

use crate::cache::{Downloads, Wanted};
use crate::lock::{Lock, LockedPackage};
use crate::spec::{Architecture, Spec};
use group::{Group, groups};
use overlap::Dropped;
use package::Sifted;

/// What assembling needs.
pub struct AssembleContext<'a> {
    /// What is asked for.
    pub spec: &'a Spec,
    /// The packages.
    pub lock: &'a Lock,
    /// The architectures, at least one. Several make an index.
    pub architectures: &'a [Architecture],
    /// Where sources of files are looked for.
    pub directory: &'a Path,
    /// Where archives come from.
    pub downloads: &'a Downloads<'a>,
    /// Where the image goes.
    pub store: &'a Store,
    /// What holds its parts until they have a name.
    pub lease: &'a Lease,
}

/// How to assemble.
#[derive(Clone, Copy, Debug)]
pub struct AssembleOptions {
    /// The time of all that is made, and the latest of what is taken from packages, in seconds since
    /// 1970. Without one, the lock file's.
    pub epoch: Option<i64>,
    /// How many layers are made at once. It never changes the result.
    pub threads: usize,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The image, or the index of several.
    pub descriptor: Descriptor,
    /// The images and what they run on.
    pub images: Vec<(Platform, Descriptor)>,
}

/// Makes the image that `context` describes, without a name, in the store.
///
/// # Errors
/// When the lock file does not fit, an archive cannot be had or is not what it should be, or two
/// packages have the same file.
pub fn assemble(
    context: &AssembleContext<'_>,
    options: AssembleOptions,
) -> Result<Assembled, AssembleError> {
    if context.lock.request != context.spec.request(context.architectures) {
        return Err(AssembleError::Stale);
    }
    let mut images = vec![];
    for architecture in context.architectures {
        images.push((
            architecture.platform(),
            image(context, options, *architecture)?,
        ));
    }
    context.store.sync_all()?;
    let descriptor = match &images[..] {
        [(_, only)] => only.clone(),
        several => {
            let list = several.iter().map(|(_, descriptor)| descriptor.clone());
            let index = Raw::new(Index::new(list.collect()));
            context.store.put_document(context.lease, index.bytes())?;
            Descriptor::of(media_type::OCI_INDEX, index.bytes())
        }
    };
    Ok(Assembled { descriptor, images })
}

fn image(
    context: &AssembleContext<'_>,
    options: AssembleOptions,
    architecture: Architecture,
) -> Result<Descriptor, AssembleError> {
    let packages: Vec<&LockedPackage> = context.lock.of(architecture).collect();
    let wanted: Vec<Wanted> = packages
        .iter()
        .map(|package| Wanted {
            url: package.url.clone(),
            sha256: package.sha256.clone(),
            size: package.size,
        })
        .collect();
    context.downloads.have_all(&wanted)?;
    let epoch = options.epoch.unwrap_or(context.lock.epoch);
    let groups = groups(&packages, context.spec.max_layers);
    let sifted = layers(context, &groups, epoch, options.threads)?;
    let last = last::write(context, &sifted, epoch)?;
    config::write(context, architecture, &groups, &sifted, &last, epoch)
}

/// Makes the layers of all groups. Which of two packages' files count is only known when all were
/// read; layers that have too much are then made once more.
fn layers(
    context: &AssembleContext<'_>,
    groups: &[Group<'_>],
    epoch: i64,
    threads: usize,
) -> Result<Vec<Sifted>, AssembleError> {
    let mut dropped = Dropped::default();
    let all: BTreeSet<usize> = (0..groups.len()).collect();
    let mut layers = side_by_side(context, groups, &all, &dropped, epoch, threads)?;
    let again = dropped.find(&layers)?;
    if !again.is_empty() {
        let anew = side_by_side(context, groups, &again, &dropped, epoch, threads)?;
        for (at, layer) in again.into_iter().zip(anew) {
            layers[at] = layer;
        }
    }
    Ok(layers)
}

/// The layers of the groups `which`, in their order.
fn side_by_side(
    context: &AssembleContext<'_>,
    groups: &[Group<'_>],
    which: &BTreeSet<usize>,
    dropped: &Dropped,
    epoch: i64,
    threads: usize,
) -> Result<Vec<Sifted>, AssembleError> {
    // The largest first, so that none is left over at the end.
    let mut order: Vec<usize> = which.iter().copied().collect();
    order.sort_by_key(|at| std::cmp::Reverse(groups[*at].size()));
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![]);
    let work = || {
        while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let layer = package::write_group(context, &groups[*at], dropped, epoch);
            if layer.is_err() {
                next.store(usize::MAX / 2, Ordering::Relaxed);
            }
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((*at, layer));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, order.len().max(1)) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, layer)| layer).collect()
}
