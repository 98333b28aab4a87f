//! Layers and their indexes.
//!
//! A layer made here is kept as its uncompressed tar, a blob named by the diff id. A layer that came
//! from elsewhere is kept as it came; the first question about its entries decodes it once, which
//! gives the index and an uncompressed copy beside it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::{Arc, PoisonError};

use kiln_layer::{ContentAt, IndexEntry, LayerIndex, LayerWriter, decompress, index_tar};
use kiln_oci::{Descriptor, Digest, Layer};
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
        // The layer writer computes the diff id; hashing the same bytes twice would cost as much again.
        Ok(LayerWriter::new(self.unhashed_writer(lease)?))
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
        let index = Arc::new(index);
        self.publish_hashed(lease, blob, index.diff_id)?;
        self.keep_index(&index)?;
        Ok(index)
    }

    /// The index of a layer: from memory, from `cache.db`, or made anew from the layer.
    ///
    /// # Errors
    /// If the layer is not there or damaged.
    pub fn layer_index(&self, diff_id: &Digest) -> Result<Arc<LayerIndex>, LayerIndexError> {
        match self.known_index(diff_id)? {
            Some(index) => Ok(index),
            None => self.make_index(diff_id),
        }
    }

    /// The index of a layer wherever that is: from memory, from `cache.db`, or made by reading `layer`
    /// once. Its content is not kept.
    ///
    /// # Errors
    /// If it cannot be read, or is not what its diff id says.
    pub fn index_of(&self, layer: &dyn Layer) -> Result<Arc<LayerIndex>, LayerIndexError> {
        let diff_id = layer.diff_id();
        if let Some(index) = self.known_index(diff_id)? {
            return Ok(index);
        }
        if self.has_blob(diff_id)? {
            return self.make_index(diff_id);
        }
        let content = layer.open().map_err(|error| StoreError::Content {
            digest: layer.descriptor().digest,
            source: error.into(),
        })?;
        let content = BufReader::with_capacity(256 << 10, content);
        let (_, plain) = decompress(content).map_err(|source| LayerIndexError::Decode {
            diff_id: *diff_id,
            source,
        })?;
        let index = Arc::new(checked(diff_id, index_tar(plain, &mut io::sink()))?);
        self.keep_index(&index)?;
        Ok(index)
    }

    /// The index of a layer, if it was made before.
    fn known_index(&self, diff_id: &Digest) -> Result<Option<Arc<LayerIndex>>, LayerIndexError> {
        let indexes = self.indexes.lock();
        let known = indexes
            .unwrap_or_else(PoisonError::into_inner)
            .get(diff_id)
            .map(Arc::clone);
        if known.is_some() {
            return Ok(known);
        }
        let data: Option<Vec<u8>> = self.cache.read(|db| {
            let mut query = db.prepare_cached("SELECT data FROM indexes WHERE diff_id = ?1")?;
            query
                .query_row([diff_id.to_string()], |row| row.get(0))
                .optional()
        })?;
        // One that cannot be decoded is of another version, or damaged.
        let known = data.and_then(|data| LayerIndex::decode(&data).ok());
        if let Some(index) = known.filter(|index| index.diff_id == *diff_id) {
            let index = Arc::new(index);
            self.remember_index(&index);
            return Ok(Some(index));
        }
        Ok(None)
    }

    /// Keeps an index, in memory and in `cache.db`.
    pub(crate) fn keep_index(&self, index: &Arc<LayerIndex>) -> Result<(), StoreError> {
        self.remember_index(index);
        if self.cache.is_read_only() {
            return Ok(());
        }
        let data = index.encode();
        self.cache.write(|db| {
            let statement = "INSERT OR REPLACE INTO indexes VALUES (?1, ?2)";
            db.execute(statement, params![index.diff_id.to_string(), data])
                .map(drop)
        })
    }

    fn remember_index(&self, index: &Arc<LayerIndex>) {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        indexes.insert(index.diff_id, Arc::clone(index));
    }

    /// Reads the layer once: its index comes out, and an uncompressed copy if it was compressed.
    fn make_index(&self, diff_id: &Digest) -> Result<Arc<LayerIndex>, LayerIndexError> {
        let index = if self.has_blob(diff_id)? {
            let tar = ReadAt::start(self.open_blob(diff_id)?);
            let index = index_tar(tar, &mut io::sink());
            checked(diff_id, index)?
        } else {
            self.decode_layer(diff_id)?
        };
        let index = Arc::new(index);
        self.keep_index(&index)?;
        Ok(index)
    }

    fn decode_layer(&self, diff_id: &Digest) -> Result<LayerIndex, LayerIndexError> {
        let no_layer = || LayerIndexError::NoLayer { diff_id: *diff_id };
        let lease = self.lease()?;
        let blob = self
            .compressed_blob(&lease, diff_id)?
            .ok_or_else(no_layer)?;
        let reader = BufReader::with_capacity(256 << 10, ReadAt::start(blob));
        let (_, plain) = decompress(reader).map_err(|source| LayerIndexError::Decode {
            diff_id: *diff_id,
            source,
        })?;
        let mut copy = self.unhashed_writer(&lease)?;
        let index = checked(diff_id, index_tar(plain, &mut copy))?;
        self.publish_hashed(&lease, copy, *diff_id)?;
        // The lease ends here. What is not held and not needed may be collected, but no earlier than
        // it is there.
        self.sync_all()?;
        Ok(index)
    }

    /// The uncompressed tar of a layer. The file is shared: read it at positions only.
    ///
    /// # Errors
    /// As [`layer_index`](Self::layer_index).
    pub fn layer_tar(&self, diff_id: &Digest) -> Result<Arc<File>, LayerIndexError> {
        for is_last in [false, true] {
            match self.open_blob(diff_id) {
                Err(StoreError::NoBlob { .. }) if !is_last => {
                    self.make_index(diff_id)?;
                }
                Err(StoreError::NoBlob { .. }) => break,
                file => return Ok(file?),
            }
        }
        Err(LayerIndexError::NoLayer { diff_id: *diff_id })
    }

    /// Says that the blob of `descriptor` is the layer `diff_id`, compressed in the way that
    /// `compression` tells: a [`Compression`](kiln_layer::Compression) as text, or a media type.
    ///
    /// # Errors
    /// If the database fails.
    pub fn record_compressed(
        &self,
        diff_id: &Digest,
        compression: &str,
        descriptor: &Descriptor,
    ) -> Result<(), StoreError> {
        if self.cache.is_read_only() {
            return Ok(());
        }
        let size = i64::try_from(descriptor.size).unwrap_or(i64::MAX);
        let (diff_id, digest) = (diff_id.to_string(), descriptor.digest.to_string());
        self.cache.write(|db| {
            let statement = "INSERT OR REPLACE INTO compressed VALUES (?1, ?2, ?3, ?4, ?5)";
            let row = params![diff_id, compression, digest, descriptor.media_type, size];
            db.execute(statement, row).map(drop)
        })
    }

    /// The blob that an earlier export made of a layer with this compression, if it is still there.
    /// The lease holds it.
    ///
    /// # Errors
    /// If the store cannot be read or the lease not be written.
    pub fn find_compressed(
        &self,
        lease: &Lease,
        diff_id: &Digest,
        compression: &str,
    ) -> Result<Option<Descriptor>, StoreError> {
        let diff_id = diff_id.to_string();
        let row: Option<(String, String, i64)> = self.cache.read(|db| {
            let query = "SELECT digest, media_type, size FROM compressed
                         WHERE diff_id = ?1 AND compression = ?2";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            db.query_row(query, params![diff_id, compression], row)
                .optional()
        })?;
        let Some((digest, media_type, size)) = row else {
            return Ok(None);
        };
        let (Ok(digest), Ok(size)) = (digest.parse(), u64::try_from(size)) else {
            return Ok(None);
        };
        lease.hold_blob(&digest)?;
        let is_there = self.blob_size(&digest)? == Some(size);
        Ok(is_there.then(|| Descriptor::new(&media_type, digest, size)))
    }

    /// Any blob that holds the layer in compressed form. If `cache.db` was lost, the images say
    /// which.
    fn compressed_blob(
        &self,
        lease: &Lease,
        diff_id: &Digest,
    ) -> Result<Option<Arc<File>>, StoreError> {
        let text = diff_id.to_string();
        let digests: Vec<String> = self.cache.read(|db| {
            let mut query =
                db.prepare_cached("SELECT digest FROM compressed WHERE diff_id = ?1")?;
            let rows = query.query_map([&text], |row| row.get(0))?;
            rows.collect()
        })?;
        let recorded = digests
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        for digests in [recorded, self.blobs_in_images(diff_id)?] {
            for digest in digests {
                lease.hold_blob(&digest)?;
                if self.has_blob(&digest)? {
                    return Ok(Some(self.open_blob(&digest)?));
                }
            }
        }
        Ok(None)
    }

    fn opened_tar(&self, diff_id: &Digest) -> Result<Arc<File>, LayerIndexError> {
        let last = || {
            self.last_opened
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((digest, file)) = &*last()
            && digest == diff_id
        {
            return Ok(Arc::clone(file));
        }
        let file = self.layer_tar(diff_id)?;
        *last() = Some((*diff_id, Arc::clone(&file)));
        Ok(file)
    }
}

fn checked(
    diff_id: &Digest,
    index: Result<LayerIndex, kiln_layer::LayerError>,
) -> Result<LayerIndex, LayerIndexError> {
    let index = index.map_err(|error| LayerIndexError::Damaged {
        diff_id: *diff_id,
        source: Box::new(error),
    })?;
    if index.diff_id != *diff_id {
        return Err(StoreError::mismatch(diff_id, &index.diff_id).into());
    }
    Ok(index)
}

impl ContentAt for Store {
    fn open_at(&self, layer: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>> {
        let file = self.opened_tar(layer).map_err(io::Error::other)?;
        let stored = ReadAt {
            file,
            position: entry.offset,
        };
        Ok(Box::new(entry.expand(stored)))
    }
}

impl ContentAt for &Store {
    fn open_at(&self, layer: &Digest, entry: &IndexEntry) -> io::Result<Box<dyn Read + Send>> {
        (*self).open_at(layer, entry)
    }
}
