//! Why an image cannot be assembled.

use std::io;
use std::path::PathBuf;

use kiln_layer::{LayerError, TarError, TreeError};
use kiln_packages::deb::{DebError, InvalidList, InvalidPackage, StanzaError};
use kiln_store::{LayerIndexError, StoreError};

use crate::cache::CacheError;

/// Why an image cannot be assembled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// The lock file was made for other wishes.
    #[error(
        "the lock file does not fit the image file: it was made for other packages or repositories"
    )]
    Stale,
    /// An archive is not to be had.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer that was just made cannot be read.
    #[error(transparent)]
    Index(#[from] LayerIndexError),
    /// The layers do not fit on each other.
    #[error("the layers do not fit together")]
    Tree(#[from] TreeError),
    /// An archive in the cache cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An archive in the cache has other content than when it was fetched.
    #[error("the archive of `{package}` is damaged in the cache: remove `{}`", path.display())]
    Damaged {
        /// The package.
        package: String,
        /// The file.
        path: PathBuf,
    },
    /// An archive is no package.
    #[error("the archive of `{package}` cannot be read")]
    Deb {
        /// The package.
        package: String,
        /// Why not.
        #[source]
        source: DebError,
    },
    /// One of the two archives in it is damaged or hostile.
    #[error("the archive of `{package}` cannot be used")]
    Tar {
        /// The package.
        package: String,
        /// Why not.
        #[source]
        source: Box<TarError>,
    },
    /// What it says about itself is not to be understood.
    #[error("the archive of `{package}` does not say what it is")]
    Control {
        /// The package.
        package: String,
        /// Why not.
        #[source]
        source: Box<ControlError>,
    },
    /// The archive is of another package than its index said.
    #[error("the archive of `{package}` is that of `{found}`")]
    OtherPackage {
        /// The package that was asked for, with version and architecture.
        package: String,
        /// The one that came.
        found: String,
    },
    /// An entry of a package cannot be in an image.
    #[error("`{path}` of `{package}` cannot be in an image: {reason}")]
    Entry {
        /// The package.
        package: String,
        /// The path.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// Two packages have the same file, and neither says that it replaces the other's.
    #[error("`{path}` is in both `{first}` and `{second}`, and neither replaces the other's files")]
    Conflict {
        /// The path.
        path: String,
        /// A package.
        first: String,
        /// The other.
        second: String,
    },
    /// A layer cannot be written.
    #[error("the layer of `{layer}` cannot be written")]
    Layer {
        /// What is in the layer.
        layer: String,
        /// Why not.
        #[source]
        source: LayerError,
    },
    /// A maintainer script failed.
    #[error("a maintainer script ended with {code}:\n{output}")]
    Scripts {
        /// How they ended, as a shell gives it.
        code: i32,
        /// The end of what they said.
        output: String,
    },
    /// Maintainer scripts cannot run here.
    #[error("maintainer scripts cannot be {step}")]
    Sandbox {
        /// What failed, as a participle.
        step: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file that the image file names cannot be read.
    #[error("the source of `{path}` cannot be read: `{}`", from.display())]
    Source {
        /// Where it should go.
        path: String,
        /// Where it should come from.
        from: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl AssembleError {
    pub(super) fn control(package: &str, source: impl Into<ControlError>) -> Self {
        Self::Control {
            package: package.to_owned(),
            source: Box::new(source.into()),
        }
    }

    pub(super) fn tar(package: &str, source: TarError) -> Self {
        Self::Tar {
            package: package.to_owned(),
            source: Box::new(source),
        }
    }
}

/// What is wrong with a package's `control.tar`.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no file `control`.
    #[error("there is no file `control`")]
    Missing,
    /// A file in it is larger than any should be.
    #[error("its file `{name}` has {size} bytes")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        size: u64,
    },
    /// `control` is not made of fields.
    #[error("its file `control` cannot be read")]
    Stanza(#[from] StanzaError),
    /// `control` describes no package.
    #[error("its file `control` cannot be used")]
    Package(#[from] InvalidPackage),
    /// A list makes no sense.
    #[error(transparent)]
    List(#[from] InvalidList),
}
