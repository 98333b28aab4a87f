//! Layers and their indexes.
//!
//! A layer made here is kept as its uncompressed tar, a blob named by the diff id. A layer that came from
//! elsewhere is kept as it came; the first question about its entries decodes it once, which gives the index
//! and an uncompressed copy beside it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, PoisonError};

use kiln_layer::{ContentAt, IndexEntry, LayerIndex, LayerWriter, decompress, index_tar};
use kiln_oci::{Descriptor, Digest};
use rusqlite::{OptionalExtension as _, params};

use crate::blob::{BlobWriter, ReadAt};
use crate::error::{LayerIndexError, StoreError};
use crate::lease::Lease;
use crate::store::Store;

impl Store {
    /// Begins a new layer.
    ///
    /// # Errors
    /// If its scratch file cannot be made.
    pub fn layer_writer(&self, lease: &Lease) -> Result<LayerWriter<BlobWriter>, StoreError> {
        Ok(LayerWriter::new(self.blob_writer(lease)?))
    }

    /// Completes a new layer. It can be used at once; it is on disk for certain after
    /// [`sync_all`](Self::sync_all).
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn commit_layer(
        &self,
        lease: &Lease,
        writer: LayerWriter<BlobWriter>,
    ) -> Result<Arc<LayerIndex>, StoreError> {
        let (blob, index) = writer.finish()?;
        lease.hold_blob(&index.diff_id)?;
        let index = Arc::new(index);
        self.keep_index(&index)?;
        if !self.has_blob(&index.diff_id)? {
            self.pending.publish(blob, index.diff_id)?;
        }
        Ok(index)
    }

    /// The index of a layer: from memory, from `cache.db`, or made anew from the layer.
    ///
    /// # Errors
    /// If the layer is not there or damaged.
    pub fn layer_index(&self, diff_id: &Digest) -> Result<Arc<LayerIndex>, LayerIndexError> {
        if let Some(index) = self
            .indexes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(diff_id)
        {
            return Ok(Arc::clone(index));
        }
        let data: Option<Vec<u8>> = self.cache.read(|db| {
            let mut query = db.prepare_cached("SELECT data FROM indexes WHERE diff_id = ?1")?;
            query
                .query_row([diff_id.to_string()], |row| row.get(0))
                .optional()
        })?;
        let known = data.and_then(|data| LayerIndex::decode(&data).ok());
        if let Some(index) = known.filter(|index| index.diff_id == *diff_id) {
            let index = Arc::new(index);
            self.remember_index(&index);
            return Ok(index);
        }
        self.make_index(diff_id)
    }

    pub(crate) fn keep_index(&self, index: &Arc<LayerIndex>) -> Result<(), StoreError> {
        let data = index.encode();
        self.cache.write(|db| {
            let statement = "INSERT OR REPLACE INTO indexes VALUES (?1, ?2)";
            db.execute(statement, params![index.diff_id.to_string(), data])
                .map(drop)
        })?;
        self.remember_index(index);
        Ok(())
    }

    fn remember_index(&self, index: &Arc<LayerIndex>) {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.insert(index.diff_id, Arc::clone(index));
    }

    /// Reads the layer once: its index comes out, and an uncompressed copy if it was compressed.
    fn make_index(&self, diff_id: &Digest) -> Result<Arc<LayerIndex>, LayerIndexError> {
        let damaged = |source| LayerIndexError::Damaged {
            diff_id: *diff_id,
            source,
        };
        let index = if self.has_blob(diff_id)? {
            let file = self.open_blob(diff_id)?;
            index_tar(ReadAt { file, position: 0 }, &mut io::sink()).map_err(damaged)?
        } else {
            let lease = self.lease()?;
            let blob = self
                .compressed_blob(&lease, diff_id)?
                .ok_or(LayerIndexError::NoLayer { diff_id: *diff_id })?;
            let reader = BufReader::with_capacity(
                256 << 10,
                ReadAt {
                    file: blob,
                    position: 0,
                },
            );
            let (_, plain) = decompress(reader).map_err(|source| LayerIndexError::Decode {
                diff_id: *diff_id,
                source,
            })?;
            let mut copy = self.blob_writer(&lease)?;
            let index = index_tar(plain, &mut copy).map_err(damaged)?;
            copy.commit(Some(diff_id))?;
            index
        };
        if index.diff_id != *diff_id {
            let (expected, actual) = (*diff_id, index.diff_id);
            return Err(StoreError::Mismatch { expected, actual }.into());
        }
        let index = Arc::new(index);
        self.keep_index(&index)?;
        Ok(index)
    }

    /// The uncompressed tar of a layer.
    ///
    /// # Errors
    /// As [`layer_index`](Self::layer_index).
    pub fn layer_tar(&self, diff_id: &Digest) -> Result<Arc<File>, LayerIndexError> {
        if !self.has_blob(diff_id)? {
            self.make_index(diff_id)?;
        }
        Ok(self.open_blob(diff_id)?)
    }

    /// Says that the blob of `descriptor` is the layer `diff_id`, compressed as `compression` says in a text.
    pub(crate) fn record_blob(
        &self,
        diff_id: &Digest,
        descriptor: &Descriptor,
        compression: &str,
    ) -> Result<(), StoreError> {
        let size = i64::try_from(descriptor.size).unwrap_or(i64::MAX);
        self.cache.write(|db| {
            db.execute(
                "INSERT OR REPLACE INTO blobs_of VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    diff_id.to_string(),
                    descriptor.digest.to_string(),
                    descriptor.media_type,
                    size,
                    compression
                ],
            )
            .map(drop)
        })
    }

    /// The blob that an earlier export made of a layer with this compression, if it is still there.
    pub(crate) fn find_compressed(
        &self,
        lease: &Lease,
        diff_id: &Digest,
        compression: &str,
    ) -> Result<Option<Descriptor>, StoreError> {
        let row: Option<(String, String, i64)> = self.cache.read(|db| {
            db.query_row(
                "SELECT digest, media_type, size FROM blobs_of WHERE diff_id = ?1 AND compression = ?2",
                params![diff_id.to_string(), compression],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
        })?;
        let Some((digest, media_type, size)) = row else {
            return Ok(None);
        };
        let Ok(digest) = digest.parse() else {
            return Ok(None);
        };
        lease.hold_blob(&digest)?;
        let size = u64::try_from(size).unwrap_or(0);
        Ok(self
            .has_blob(&digest)?
            .then(|| Descriptor::new(&media_type, digest, size)))
    }

    /// Any blob that holds the layer in compressed form. If `cache.db` was lost, the images say which.
    fn compressed_blob(
        &self,
        lease: &Lease,
        diff_id: &Digest,
    ) -> Result<Option<Arc<File>>, StoreError> {
        let digests: Vec<String> = self.cache.read(|db| {
            let mut query = db.prepare_cached("SELECT digest FROM blobs_of WHERE diff_id = ?1")?;
            let rows = query.query_map([diff_id.to_string()], |row| row.get(0))?;
            rows.collect()
        })?;
        let known = digests
            .iter()
            .filter_map(|text| text.parse::<Digest>().ok());
        for digest in known.chain(self.blobs_in_images(diff_id)?) {
            lease.hold_blob(&digest)?;
            if self.has_blob(&digest)? {
                return Ok(Some(self.open_blob(&digest)?));
            }
        }
        Ok(None)
    }
}

impl ContentAt for Store {
    fn open_at(&self, layer: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>> {
        let file = self.layer_tar(layer).map_err(io::Error::other)?;
        Ok(Box::new(entry.expand(ReadAt {
            file,
            position: entry.offset,
        })))
    }
}

impl ContentAt for &Store {
    fn open_at(&self, layer: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>> {
        (*self).open_at(layer, entry)
    }
}
