//! The scrub: is everything that the registry says it has really there, and what it was?
//!
//! It reads every blob and hashes it, checks the digests of manifests, and looks for tags, needs and
//! links that lead nowhere. A blob that is not what it was is marked: from then on it is as good as
//! missing, so that clients push it again, which heals it. Nothing is deleted.

mod blobs;
mod references;

use std::fmt;
use std::time::Duration;

use kiln_oci::Digest;

use crate::content::{Content, ContentError};
use crate::name::{RepositoryName, Tag};

/// How to scrub.
#[derive(Clone, Debug, Default)]
pub struct ScrubOptions {
    /// The most bytes to read in a second; without it, as many as can be.
    pub bytes_per_second: Option<u64>,
    /// Leave out the blobs that were read within this time.
    pub not_within: Duration,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A blob's bytes are not those of its digest.
    Damaged {
        /// What it should be.
        blob: Digest,
        /// What it is.
        found: Digest,
    },
    /// A blob's bytes are not there.
    Missing {
        /// The blob.
        blob: Digest,
    },
    /// A manifest's bytes are not those of its digest.
    DamagedManifest {
        /// Where.
        repository: RepositoryName,
        /// What it should be.
        manifest: Digest,
    },
    /// A tag points to a manifest that is not there.
    DanglingTag {
        /// Where.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// What it points to.
        manifest: Digest,
    },
    /// A manifest names a blob or manifest that the repository does not have, or whose bytes are
    /// known to be damaged.
    Incomplete {
        /// Where.
        repository: RepositoryName,
        /// The manifest.
        manifest: Digest,
        /// What it needs.
        needs: Digest,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { blob, found } => write!(f, "blob {blob} has become {found}"),
            Self::Missing { blob } => write!(f, "blob {blob} is not in the storage"),
            Self::DamagedManifest {
                repository,
                manifest,
            } => write!(f, "manifest {manifest} of {repository} is damaged"),
            Self::DanglingTag {
                repository,
                tag,
                manifest,
            } => write!(
                f,
                "tag {repository}:{tag} points to {manifest}, which is missing"
            ),
            Self::Incomplete {
                repository,
                manifest,
                needs,
            } => write!(
                f,
                "manifest {manifest} of {repository} needs {needs}, which is missing"
            ),
        }
    }
}

/// What a scrub saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blobs that were read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were marked as damaged and are well again.
    pub healed: u64,
    /// Manifests that were checked.
    pub manifests: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Content {
    /// Scrubs, beside everything else.
    ///
    /// # Errors
    /// When the database fails, or the storage in another way than by having lost something.
    pub async fn scrub(&self, options: &ScrubOptions) -> Result<Scrubbed, ContentError> {
        let mut scrubbed = Scrubbed::default();
        blobs::check(self, options, &mut scrubbed).await?;
        references::check_manifests(self, &mut scrubbed).await?;
        references::check_tags(self, &mut scrubbed).await?;
        references::check_needs(self, &mut scrubbed).await?;
        Ok(scrubbed)
    }
}
