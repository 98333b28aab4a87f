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
#[cfg(target_os = "linux")]
mod database;
mod error;
mod group;
mod last;
mod made;
mod overlap;
mod package;
mod place;
#[cfg(target_os = "linux")]
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kiln_layer::{ContentAt as _, LayerIndex, Tree};
use kiln_oci::{Descriptor, Index, Raw, media_type};
use kiln_store::{Lease, Store};

pub use error::AssembleError;

use crate::cache::{Downloads, Wanted};
use crate::lock::{Lock, LockedPackage};
use crate::sbom::Distribution;
use crate::spec::{Architecture, Scripts, Spec};
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
    /// The images, in the order of their architectures.
    pub images: Vec<MadeImage>,
    /// The time of all that was made, in seconds since 1970.
    pub epoch: i64,
}

/// An image that was made.
#[derive(Clone, Debug)]
pub struct MadeImage {
    /// What it runs on.
    pub architecture: Architecture,
    /// Its manifest.
    pub descriptor: Descriptor,
    /// What its `os-release` says that it is, if there is one.
    pub distribution: Option<Distribution>,
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
    let epoch = options.epoch.unwrap_or(context.lock.epoch);
    for architecture in context.architectures {
        images.push(image(context, epoch, options.threads, *architecture)?);
    }
    context.store.sync_all()?;
    let descriptor = match &images[..] {
        [only] => only.descriptor.clone(),
        several => {
            let list = several.iter().map(|image| image.descriptor.clone());
            let index = Raw::new(Index::new(list.collect()));
            context.store.put_document(context.lease, index.bytes())?;
            Descriptor::of(media_type::OCI_INDEX, index.bytes())
        }
    };
    Ok(Assembled {
        descriptor,
        images,
        epoch,
    })
}

fn image(
    context: &AssembleContext<'_>,
    epoch: i64,
    threads: usize,
    architecture: Architecture,
) -> Result<MadeImage, AssembleError> {
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
    // What scripts leave is a layer more.
    let own = usize::from(context.spec.scripts == Scripts::Run);
    let groups = groups(&packages, context.spec.max_layers - own);
    let sifted = layers(context, &groups, epoch, threads)?;
    let names = groups.iter().map(Group::name);
    let indexes = sifted.iter().map(|layer| Arc::clone(&layer.index));
    let mut layers: Vec<(String, Arc<LayerIndex>)> = names.zip(indexes).collect();
    let made = match context.spec.scripts {
        Scripts::None => {
            let tree = Tree::of(layers.iter().map(|(_, index)| index))?;
            let mut taken = BTreeMap::new();
            for layer in &sifted {
                taken.extend(layer.taken.clone());
            }
            made::all(&tree, &taken, &context.spec.users)
        }
        Scripts::Run => {
            let scripts = run_scripts(context, architecture, &sifted, epoch)?;
            layers.push(("maintainer scripts".to_owned(), scripts));
            let tree = Tree::of(layers.iter().map(|(_, index)| index))?;
            made::after_scripts(&tree, context.spec, &|path| kept(context, &tree, path))
        }
    };
    let has_bundle = made.contains_key(made::BUNDLE.as_bytes());
    let tree = Tree::of(layers.iter().map(|(_, index)| index))?;
    if let Some(last) = last::write(context, &tree, made, epoch)? {
        layers.push(("users, links and files".to_owned(), last));
    }
    let os_release = ["usr/lib/os-release", "etc/os-release"];
    let os_release = os_release
        .iter()
        .find_map(|path| kept(context, &tree, path));
    let os_release = os_release.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(MadeImage {
        architecture,
        descriptor: config::write(context, architecture, &layers, has_bundle, epoch)?,
        distribution: os_release.and_then(|text| Distribution::parse(&text)),
    })
}

#[cfg(target_os = "linux")]
fn run_scripts(
    context: &AssembleContext<'_>,
    architecture: Architecture,
    layers: &[Sifted],
    epoch: i64,
) -> Result<Arc<LayerIndex>, AssembleError> {
    scripts::write(context, architecture, layers, epoch)
}

/// Elsewhere there is no sandbox.
#[cfg(not(target_os = "linux"))]
fn run_scripts(
    _context: &AssembleContext<'_>,
    _architecture: Architecture,
    _layers: &[Sifted],
    _epoch: i64,
) -> Result<Arc<LayerIndex>, AssembleError> {
    Err(AssembleError::Sandbox {
        step: "started",
        source: "maintainer scripts run on Linux only".into(),
    })
}

/// A small file of the image, if it can be read.
fn kept(context: &AssembleContext<'_>, tree: &Tree, path: &str) -> Option<Vec<u8>> {
    let node = tree.get(path.as_bytes())?;
    let mut content = context
        .store
        .open_at(node.diff_id()?, node.indexed())
        .ok()?;
    let mut bytes = vec![];
    content.read_to_end(&mut bytes).ok()?;
    Some(bytes)
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
