//! Any root file system archive becomes a base image.

use std::io::Read;
use std::sync::Arc;

use kiln_layer::{decompress, index_tar};
use kiln_oci::{Descriptor, History, Image, ImageConfig, Platform, Raw, media_type};

use super::{ArchiveError, manifest};
use crate::lease::Lease;
use crate::store::Store;

/// How a root file system becomes an image.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// What its programs run on.
    pub platform: Platform,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// The remark in its history.
    pub comment: String,
}

/// Makes a base image of one layer from a root file system archive: a tar, plain or compressed with
/// gzip, bzip2, xz or zstd. The layer is the very tar, so the same archive gives the same image.
///
/// # Errors
/// If the archive is damaged, truncated or hostile, or the store cannot take it.
pub fn import(
    store: &Store,
    lease: &Lease,
    content: impl Read + Send + 'static,
    options: &ImportOptions,
) -> Result<Image, ArchiveError> {
    let (_, plain) = decompress(content)?;
    let mut blob = store.unhashed_writer(lease)?;
    let index = Arc::new(index_tar(plain, &mut blob)?);
    if index.entries.is_empty() {
        return Err(ArchiveError::Empty);
    }
    store.publish_hashed(lease, blob, index.diff_id)?;
    store.keep_index(&index)?;
    let mut config = ImageConfig::scratch(options.platform.clone());
    config.created.clone_from(&options.created);
    config.rootfs.diff_ids.push(index.diff_id);
    config.history.push(History {
        created: options.created.clone(),
        created_by: Some("kiln import".to_owned()),
        comment: Some(options.comment.clone()),
        ..History::default()
    });
    let config = Raw::new(config);
    let layer = Descriptor::new(media_type::OCI_LAYER_TAR, index.diff_id, index.size);
    let manifest = manifest(config.bytes(), vec![layer]);
    store.put_document(lease, config.bytes())?;
    store.put_document(lease, manifest.bytes())?;
    store.sync_all()?;
    let descriptor = Descriptor::of(media_type::OCI_MANIFEST, manifest.bytes());
    Ok(store.image_at(&descriptor)?)
}
