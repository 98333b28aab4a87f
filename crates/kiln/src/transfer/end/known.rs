//! A source one of whose manifests is known already.

use kiln_oci::{Descriptor, Digest};
use kiln_remote::{BlobSource, ContentError, ContentSource, Origin};

/// Spares a question for what was asked just before.
pub(crate) struct Known<'a> {
    source: &'a dyn ContentSource,
    digest: Digest,
    bytes: Vec<u8>,
}

impl<'a> Known<'a> {
    /// `source`, of which the manifest `digest` is `bytes`.
    pub(crate) fn new(source: &'a dyn ContentSource, digest: Digest, bytes: Vec<u8>) -> Self {
        Self {
            source,
            digest,
            bytes,
        }
    }
}

impl ContentSource for Known<'_> {
    fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ContentError> {
        match descriptor.digest == self.digest {
            true => Ok(self.bytes.clone()),
            false => self.source.manifest(descriptor),
        }
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn BlobSource + '_>, ContentError> {
        self.source.blob(descriptor)
    }

    fn tagged(&self, tag: &str) -> Result<Option<Descriptor>, ContentError> {
        self.source.tagged(tag)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, ContentError> {
        self.source.referrers(subject)
    }

    fn origin(&self, blob: &Descriptor) -> Option<Origin<'_>> {
        self.source.origin(blob)
    }
}
