//! Where the bytes of an image are, and which of them could be saved.
//!
//! Two kinds of savings are kept apart. *Waste* is stored and sent and seen by no container: it can go
//! without anybody noticing. The rest (caches, manuals, duplicates …) is visible, and whether it can go
//! depends on what the image is for. No byte is counted twice.
//!
//! Sizes are of the files' content. How much of a compressed blob one file takes cannot be known without
//! compressing anew: that is told in proportion to its part of the archive, and called about.

mod findings;
mod live;

use kiln_layer::{IndexEntry, Kind, TreeError};
use kiln_oci::Digest;
use serde::Serialize;

use self::findings::Findings;
use crate::cause::Cause;
use crate::subject::{Base, Subject, SubjectLayer};
use crate::waste::Layering;

/// The version of the JSON form of an [`Analysis`].
pub const SCHEMA: u32 = 1;

/// An amount of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Bytes of the compressed layers, about.
    pub compressed: u64,
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.compressed += other.compressed;
    }
}

/// What an image's bytes are.
#[derive(Clone, Debug, Serialize)]
pub struct Analysis {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What a person called the image.
    pub name: String,
    /// The manifest's digest.
    pub digest: Digest,
    /// What it runs on.
    pub platform: String,
    /// Bytes of the uncompressed layers, with the archives' headers.
    pub uncompressed: u64,
    /// Bytes of the layers as they are stored and sent.
    pub compressed: u64,
    /// All files of all layers.
    pub stored: Amount,
    /// Bytes that a container sees, divided by those that are stored. 1 for an image without files.
    pub efficiency: f64,
    /// What no container sees.
    pub waste: Amount,
    /// What a container sees and may do without.
    pub optional: Amount,
    /// What the image is built on, if that is known.
    pub base: Option<Base>,
    /// The part of the base, and what the image adds.
    pub parts: Option<Parts>,
    /// What could be saved, by cause. Causes of which there is nothing are left out.
    pub causes: Vec<CauseTotal>,
    /// The layers, the lowest first.
    pub layers: Vec<LayerReport>,
    /// What could be saved, by cause, layer, and the layer that is to blame; the most bytes first.
    pub findings: Vec<Finding>,
    /// The largest files that a container sees.
    pub largest: Vec<FileSize>,
}

/// Base and own layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// The lower layers.
    pub base: Part,
    /// The rest.
    pub own: Part,
}

/// Some layers of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// All files that they store.
    pub stored: Amount,
    /// Bytes of the layers as they are stored and sent.
    pub compressed: u64,
    /// What no container sees because of these layers, wherever it is stored.
    pub waste: Amount,
}

/// All that one cause wastes.
#[derive(Clone, Debug, Serialize)]
pub struct CauseTotal {
    /// Why.
    pub cause: Cause,
    /// Whether no container sees it.
    pub waste: bool,
    /// How much.
    #[serde(flatten)]
    pub amount: Amount,
}

/// A layer and what is in it.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// From below, from 0.
    pub number: usize,
    /// The diff id.
    pub diff_id: Digest,
    /// The blob's media type.
    pub media_type: String,
    /// The step that made it.
    pub step: Option<String>,
    /// Whether it comes from the base.
    pub from_base: bool,
    /// Bytes of the uncompressed archive.
    pub uncompressed: u64,
    /// Bytes of the blob.
    pub compressed: u64,
    /// Its files.
    pub stored: Amount,
    /// What of them no container sees.
    pub hidden: Amount,
    /// What no container sees because of this layer, wherever it is stored.
    pub wastes: Amount,
}

/// Bytes that could be saved in one layer, for one cause, because of one layer.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Why.
    pub cause: Cause,
    /// The layer that stores them.
    pub layer: usize,
    /// The layer that is to blame: for waste the one that hides them.
    pub by: usize,
    /// The step of that layer.
    pub step: Option<String>,
    /// What helps, in English.
    pub fix: String,
    /// How much.
    #[serde(flatten)]
    pub amount: Amount,
    /// The largest files.
    pub examples: Vec<Example>,
}

/// One file of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The path in the layer that stores it.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// For a duplicate, where the same content is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
}

/// A file and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileSize {
    /// The path.
    pub path: String,
    /// Bytes.
    pub bytes: u64,
    /// The layer that brought it.
    pub layer: usize,
}

/// Analyzes an image.
///
/// # Errors
/// If its layers do not fit together.
pub fn analyze(subject: &Subject) -> Result<Analysis, TreeError> {
    let layering = Layering::of(&subject.indexes())?;
    Ok(of_layering(subject, &layering))
}

/// The same for layers that were laid over each other already.
#[must_use]
pub fn of_layering(subject: &Subject, layering: &Layering) -> Analysis {
    let mut findings = Findings::new(subject);
    for lost in &layering.lost {
        let indexed = &subject.layers[lost.layer].index.entries[lost.entry];
        let path = &indexed.entry.path;
        findings.add(lost.cause, (lost.layer, lost.by), indexed, path, None);
    }
    let largest = live::look(layering, &mut findings);
    let layers = layer_reports(subject, &findings);
    let total = |list: &mut dyn Iterator<Item = Amount>| {
        list.fold(Amount::default(), |mut sum, amount| {
            sum.add(amount);
            sum
        })
    };
    let stored = total(&mut layers.iter().map(|layer| layer.stored));
    let causes = findings.by_cause();
    let of_waste = |waste| total(&mut causes.iter().filter(|c| c.waste == waste).map(|c| c.amount));
    let (waste, optional) = (of_waste(true), of_waste(false));
    Analysis {
        schema: SCHEMA,
        name: subject.name.clone(),
        digest: subject.image.manifest.digest(),
        platform: subject.image.config.platform.to_string(),
        uncompressed: layers.iter().map(|layer| layer.uncompressed).sum(),
        compressed: layers.iter().map(|layer| layer.compressed).sum(),
        stored,
        efficiency: ratio(stored.bytes - waste.bytes, stored.bytes),
        waste,
        optional,
        base: subject.base.clone(),
        parts: subject.base.as_ref().map(|_| parts(&layers)),
        causes,
        findings: findings.list(),
        layers,
        largest,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people and gates")]
fn ratio(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 1.0,
        whole => part as f64 / whole as f64,
    }
}

impl Analysis {
    /// Waste as a part of all bytes stored: 0 to 1.
    #[must_use]
    pub fn waste_ratio(&self) -> f64 {
        1.0 - self.efficiency
    }

    /// How much there is of a cause.
    #[must_use]
    pub fn of(&self, cause: Cause) -> Amount {
        let found = self.causes.iter().find(|total| total.cause == cause);
        found.map(|total| total.amount).unwrap_or_default()
    }
}

fn parts(layers: &[LayerReport]) -> Parts {
    let mut parts = Parts::default();
    for layer in layers {
        let part = match layer.from_base {
            true => &mut parts.base,
            false => &mut parts.own,
        };
        part.stored.add(layer.stored);
        part.compressed += layer.compressed;
        part.waste.add(layer.wastes);
    }
    parts
}

fn layer_reports(subject: &Subject, findings: &Findings<'_>) -> Vec<LayerReport> {
    let base = subject.base_layers();
    let layers = subject.layers.iter().enumerate();
    let mut reports: Vec<LayerReport> = layers
        .map(|(number, layer)| LayerReport {
            number,
            diff_id: layer.index.diff_id,
            media_type: layer.media_type.clone(),
            step: layer.step.clone(),
            from_base: number < base,
            uncompressed: layer.index.size,
            compressed: layer.blob,
            stored: stored(layer),
            hidden: Amount::default(),
            wastes: Amount::default(),
        })
        .collect();
    for finding in findings.iter() {
        if finding.cause.is_waste() {
            reports[finding.layer].hidden.add(finding.amount);
            reports[finding.by].wastes.add(finding.amount);
        }
    }
    reports
}

fn stored(layer: &SubjectLayer) -> Amount {
    let entries = layer.index.entries.iter();
    let files = entries.filter(|indexed| is_file(indexed));
    let (count, bytes) = files.fold((0, 0), |(count, bytes), indexed| {
        (count + 1, bytes + indexed.stored_size())
    });
    Amount {
        files: count,
        bytes,
        compressed: layer.blob,
    }
}

fn is_file(indexed: &IndexEntry) -> bool {
    matches!(indexed.entry.kind, Kind::File { .. })
}
