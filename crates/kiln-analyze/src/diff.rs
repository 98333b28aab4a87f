//! What differs between two images: files, packages, config, history, size.

pub mod config;
pub mod files;
pub mod packages;
mod render;

use kiln_layer::{Tree, TreeError};
use kiln_oci::Digest;
use serde::Serialize;

use self::config::FieldChange;
use self::files::{FileChange, FileTotals};
use self::packages::{PackageChange, PackagesError};
use crate::subject::Subject;

pub use render::{markdown, text};

/// The version of the JSON form of a [`Difference`].
pub const SCHEMA: u32 = 1;

/// What two images differ in.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The image that is compared with.
    pub before: Side,
    /// The image that is compared.
    pub after: Side,
    /// How many layers, from below, both have.
    pub shared_layers: usize,
    /// Bytes of the compressed layers of `after` that `before` does not have: what an update sends.
    pub update: u64,
    /// The sums.
    pub totals: FileTotals,
    /// The files, by path.
    pub files: Vec<FileChange>,
    /// The packages, by name.
    pub packages: Vec<PackageChange>,
    /// Package databases that cannot be read, by path.
    pub unread_packages: Vec<String>,
    /// The config's fields.
    pub config: Vec<FieldChange>,
    /// Steps that only one of both has.
    pub history: HistoryChange,
}

/// One of the two images.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// What a person called it.
    pub name: String,
    /// The manifest's digest.
    pub digest: Digest,
    /// How many layers.
    pub layers: usize,
    /// Bytes of the layers as they are stored and sent.
    pub compressed: u64,
    /// Bytes of the uncompressed archives.
    pub uncompressed: u64,
}

/// Steps after those that both images begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistoryChange {
    /// How many steps both begin with.
    pub shared: usize,
    /// The other steps of the first.
    pub before: Vec<String>,
    /// The other steps of the second.
    pub after: Vec<String>,
}

/// How images are compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// Whether a file differs when nothing but its time does.
    pub times: bool,
}

/// Why images could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// Layers do not fit together.
    #[error("the layers of {name} do not fit together")]
    Tree {
        /// The image.
        name: String,
        /// Where.
        #[source]
        source: TreeError,
    },
    /// A package database could not be read.
    #[error(transparent)]
    Packages(#[from] PackagesError),
}

/// Compares two images.
///
/// # Errors
/// If layers do not fit together or a package database is damaged.
pub fn diff(
    before: &Subject,
    after: &Subject,
    options: DiffOptions,
) -> Result<Difference, DiffError> {
    let pairs = before.layers.iter().zip(&after.layers);
    let same = pairs.take_while(|(a, b)| a.index.diff_id == b.index.diff_id);
    let shared = same.count();
    let failed = |name: &str| {
        let name = name.to_owned();
        move |source| DiffError::Tree { name, source }
    };
    // Both trees grow out of one, so that what they share is passed over whole.
    let common = Tree::of(before.indexes().iter().take(shared)).map_err(failed(&before.name))?;
    let grown = |subject: &Subject| -> Result<Tree, DiffError> {
        let mut tree = common.clone();
        for layer in subject.indexes().iter().skip(shared) {
            tree.apply(layer).map_err(failed(&subject.name))?;
        }
        Ok(tree)
    };
    let (old, new) = (grown(before)?, grown(after)?);
    let (files, totals) = files::compare(&old, &new, options.times);
    let (packages, unread_packages) =
        packages::compare((&old, &before.content()), (&new, &after.content()))?;
    let has = |digest: &Digest| {
        let mut layers = before.layers.iter();
        layers.any(|layer| layer.index.diff_id == *digest)
    };
    let sent = after
        .layers
        .iter()
        .filter(|layer| !has(&layer.index.diff_id));
    Ok(Difference {
        schema: SCHEMA,
        before: side(before),
        after: side(after),
        shared_layers: shared,
        update: sent.map(|layer| layer.blob).sum(),
        totals,
        files,
        packages,
        unread_packages,
        config: config::compare(&before.image.config, &after.image.config),
        history: history(before, after),
    })
}

fn side(subject: &Subject) -> Side {
    Side {
        name: subject.name.clone(),
        digest: subject.image.manifest.digest(),
        layers: subject.layers.len(),
        compressed: subject.layers.iter().map(|layer| layer.blob).sum(),
        uncompressed: subject.layers.iter().map(|layer| layer.index.size).sum(),
    }
}

fn history(before: &Subject, after: &Subject) -> HistoryChange {
    let steps = |subject: &Subject| -> Vec<String> {
        let steps = subject.image.config.history.iter();
        let steps = steps.map(|step| step.created_by.clone().unwrap_or_default());
        steps.collect()
    };
    let (mut before, mut after) = (steps(before), steps(after));
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b);
    let shared = same.count();
    HistoryChange {
        shared,
        before: before.split_off(shared),
        after: after.split_off(shared),
    }
}

impl Difference {
    /// Whether there is none. History does not count: the same files and config are the same image to a
    /// container.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.packages.is_empty() && self.config.is_empty()
    }
}
