//! Why an image cannot be rewritten.

use kiln_layer::{SquashError, TreeError, ViewDifference};
use kiln_oci::Digest;
use kiln_store::export::ExportError;
use kiln_store::{LayerIndexError, StoreError};

/// Why an image cannot be rewritten. Nothing has a name then; what was written is collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer is missing or damaged.
    #[error(transparent)]
    Index(#[from] LayerIndexError),
    /// The layers do not fit together.
    #[error("the image's layers do not fit together")]
    Tree(#[from] TreeError),
    /// The own layers do not fit on the new base.
    #[error("the image's own layers do not fit on the new base")]
    DoesNotFit(#[source] TreeError),
    /// A new layer could not be written.
    #[error("cannot write the new layer")]
    Squash(#[from] SquashError),
    /// A layer could not be compressed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// There is nothing to squash.
    #[error("layers {first} to {last} cannot be squashed: the image has {layers}")]
    Range {
        /// The first layer asked for, from 1, the lowest.
        first: usize,
        /// The last.
        last: usize,
        /// How many there are.
        layers: usize,
    },
    /// The image does not begin with the layers of what was said to be its base.
    #[error(
        "the image is not built on that base: its layer {number} is {found}, the base's is {expected}"
    )]
    NotTheBase {
        /// The layer's number, from 1.
        number: usize,
        /// Its diff id in the base.
        expected: Digest,
        /// Its diff id in the image; a word if there is no such layer.
        found: String,
    },
    /// The new base is for another platform.
    #[error("the image is for {image}, the new base for {base}")]
    Platform {
        /// What the image runs on.
        image: String,
        /// What the base runs on.
        base: String,
    },
    /// Programs of the image would not run on the new base, as far as can be told.
    #[error("the image would not work on the new base:\n{}", list(.0))]
    Abi(Vec<super::AbiFinding>),
    /// A file of the image could not be read.
    #[error("cannot read `/{path}` of the image")]
    Content {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The result would not show the files that it should. This is a fault of kiln's.
    #[error(
        "the rewritten image is not what it should be: {0}; nothing was named. This is a fault in kiln"
    )]
    View(ViewDifference),
    /// A pattern is none.
    #[error("`{pattern}` is not a pattern")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// A rule is not known.
    #[error("there is no rule `{0}`")]
    NoRule(String),
    /// A layer could not be read or written.
    #[error("cannot recompress the layer {diff_id}")]
    Recompress {
        /// The layer.
        diff_id: Digest,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Someone asked for an end.
    #[error("interrupted")]
    Cancelled,
}

fn list(findings: &[super::AbiFinding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("- {finding}"))
        .collect();
    lines.join("\n")
}
