//! What signing and verifying need of a registry: a small trait, which `kiln` implements with its client, and tests with maps.

use kiln_oci::{Descriptor, Digest};

/// What a manifest is asked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// By a name that may move.
    Tag(&'a str),
    /// By its content.
    Digest(&'a Digest),
}

/// Failure of the place itself: nothing is known about the content then.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct AccessError {
    /// What could not be done, for a person.
    pub what: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// One repository. Used by several threads at once.
pub trait Registry: Sync {
    /// A manifest with its descriptor; `None` if there is none. What this gives is hashed again before it is believed.
    ///
    /// # Errors
    /// If there is no usable answer.
    fn manifest(&self, name: Name<'_>) -> Result<Option<(Descriptor, Vec<u8>)>, AccessError>;

    /// What says that it refers to `subject`. The list is a hint: entries may be missing, wrong or hostile.
    ///
    /// # Errors
    /// If there is no usable answer.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, AccessError>;

    /// A blob of `descriptor.size` bytes, which the caller finds acceptable.
    ///
    /// # Errors
    /// If it is not there or not what it should be.
    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, AccessError>;

    /// Stores a blob.
    ///
    /// # Errors
    /// If it is refused.
    fn put_blob(&self, descriptor: &Descriptor, content: &[u8]) -> Result<(), AccessError>;

    /// Stores a manifest under a tag.
    ///
    /// # Errors
    /// If it is refused.
    fn put_manifest(&self, tag: &str, media_type: &str, content: &[u8]) -> Result<(), AccessError>;

    /// Stores a manifest that has a subject, so that [`referrers`](Self::referrers) lists it.
    ///
    /// # Errors
    /// If it is refused.
    fn put_referrer(&self, media_type: &str, content: &[u8]) -> Result<(), AccessError>;
}

/// `sha256-<hex>` with a suffix: where cosign keeps what belongs to a manifest.
#[must_use]
pub fn companion_tag(digest: &Digest, suffix: &str) -> String {
    let hex = digest.hex();
    format!(
        "{}-{}{suffix}",
        digest.algorithm().name(),
        &hex[..hex.len().min(64)]
    )
}
