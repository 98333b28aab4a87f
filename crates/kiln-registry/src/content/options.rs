//! How long things stay and how large they may be.

use std::time::Duration;

/// Settings of [`Content`](super::Content).
#[derive(Clone, Debug)]
pub struct ContentOptions {
    /// How long a blob stays that no manifest names: from its upload, its mount, and each time that
    /// somebody was told that it is there.
    pub blob_lease: Duration,
    /// How long a manifest stays that no tag, index or subject keeps: from its push, and from the time
    /// when its last tag left it. So long a tag's change can be undone.
    pub manifest_lease: Duration,
    /// How long the changes of tags are kept.
    pub history: Duration,
    /// How long an upload waits for its next chunk.
    pub upload_patience: Duration,
    /// The most bytes of a blob.
    pub max_blob: u64,
    /// The most bytes of a manifest; more than [`kiln_oci::MAX_DOCUMENT_SIZE`] has no effect.
    pub max_manifest: u64,
    /// Blobs up to this many bytes are kept in the database, beside their row: they share its one
    /// wait for the disk.
    pub inline: usize,
    /// Bytes of manifests and small blobs that are kept in memory.
    pub memory: usize,
    /// How long the object of a deleted blob stays for those who are reading it.
    pub reading_patience: Duration,
}

impl Default for ContentOptions {
    fn default() -> Self {
        Self {
            blob_lease: Duration::from_secs(60 * 60),
            manifest_lease: Duration::from_secs(30 * 24 * 60 * 60),
            history: Duration::from_secs(365 * 24 * 60 * 60),
            upload_patience: Duration::from_secs(24 * 60 * 60),
            max_blob: 64 << 30,
            max_manifest: kiln_oci::MAX_DOCUMENT_SIZE,
            inline: 16 << 10,
            memory: 16 << 20,
            reading_patience: Duration::ZERO,
        }
    }
}
