//! Layer indexes: made after the push that brought the layer, one at a time, from then on kept.
//!
//! The transaction of a push notes its layers as pending; [`Content::index_forever`] takes them one by
//! one, so however much is pushed, one layer is read at a time and pushes never wait. A layer that is
//! no layer (damaged, hostile, something else) is noted as failed, with the reason.

mod input;

use std::io;
use std::time::Duration;

use kiln_layer::{Compression, LayerIndex, compressor, decompress, index_tar};
use kiln_oci::Digest;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::content::{BlobPlace, Content, ContentError, OpenBlob, discard_object, place};
use crate::database::DatabaseError;
use crate::duty::on_duty;
use crate::storage::ObjectKey;

use input::{BlobInput, Capped};

/// The most bytes that a layer may be decoded to.
const MAX_LAYER: u64 = 128 << 30;

/// What is known of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// No manifest ever called it a layer.
    Unknown,
    /// Its index is still to be made.
    Pending,
    /// Here it is.
    Ready(Box<LayerIndex>),
    /// It cannot be indexed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Makes a reason of what an index or its compression says.
fn unreadable(error: &impl std::fmt::Display) -> ContentError {
    crate::storage::StorageError::new(
        "read",
        &"a layer index",
        io::Error::other(error.to_string()),
    )
    .into()
}

impl Content {
    /// The index of a layer, by the digest of its blob.
    ///
    /// # Errors
    /// When the database or the storage fail, or the stored index cannot be read.
    pub async fn layer_index(&self, blob: &Digest) -> Result<LayerState, ContentError> {
        let wanted = *blob;
        let row = self.database().read(move |transaction| {
            let sql = "SELECT state, schema_version, reason, object, data FROM layer_index \
                       WHERE digest = $1";
            transaction.first(sql, &[wanted.into()])
        });
        let Some(mut row) = row.await.map_err(|error: DatabaseError| error)? else {
            return Ok(LayerState::Unknown);
        };
        let state: String = row.get(0)?;
        let is_current = row.get::<i64>(1)? == i64::from(kiln_layer::SCHEMA);
        match state.as_str() {
            "failed" => Ok(LayerState::Failed {
                reason: row.get::<Option<String>>(2)?.unwrap_or_default(),
            }),
            "ready" if is_current => {
                let place = place(&mut row, 3, 4)?;
                // Its length is not kept; the reader finds the end.
                let Some(open) = self.open_place(&place, u64::MAX).await? else {
                    return Ok(LayerState::Pending);
                };
                let decoded = spawn_blocking(move || {
                    let input = BlobInput::new(open, Handle::current());
                    let (_, mut plain) = decompress(input).map_err(|error| error.to_string())?;
                    let mut bytes = vec![];
                    io::Read::read_to_end(&mut plain, &mut bytes)
                        .map_err(|error| error.to_string())?;
                    LayerIndex::decode(&bytes).map_err(|error| error.to_string())
                });
                let decoded = decoded.await.map_err(|error| unreadable(&error))?;
                let index = decoded.map_err(|error| unreadable(&error))?;
                Ok(LayerState::Ready(Box::new(index)))
            }
            _ => Ok(LayerState::Pending),
        }
    }

    /// Makes the indexes that are pending now. Returns how many layers were looked at.
    ///
    /// # Errors
    /// When the database or the storage fail.
    pub async fn index_pending(&self) -> Result<u64, ContentError> {
        let mut done = 0;
        while let Some((digest, size, place)) = self.next_layer().await? {
            let Some(open) = self.open_place(&place, size).await? else {
                self.note_failure(&digest, "the blob is not in the storage".to_owned())
                    .await?;
                done += 1;
                continue;
            };
            match make_index(open).await {
                Ok((diff_id, encoded)) => self.keep_index(&digest, &diff_id, encoded).await?,
                Err(reason) => self.note_failure(&digest, reason).await?,
            }
            done += 1;
        }
        Ok(done)
    }

    /// Makes indexes as layers arrive, and tells `report` what failed for another reason than the
    /// layer. Of several servers that share a database one does it at a time, for all. It never
    /// returns: it is to be dropped.
    pub async fn index_forever(&self, mut report: impl FnMut(ContentError)) {
        loop {
            let pending = self.index_pending();
            let done = on_duty(
                self.database(),
                self.clock(),
                "indexes",
                Duration::ZERO,
                pending,
            );
            match done.await {
                Ok(Some(Ok(_))) => self.layers_arrived().await,
                // Another server looks for layers, and may have done so just before ours arrived.
                Ok(None) => tokio::time::sleep(Duration::from_secs(30)).await,
                // The disk may be full; whatever it is, it does not pass at once.
                Ok(Some(Err(error))) => {
                    report(error);
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
                Err(error) => {
                    report(error.into());
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
            }
        }
    }

    /// A layer whose index is to be made.
    async fn next_layer(&self) -> Result<Option<(Digest, u64, BlobPlace)>, ContentError> {
        let found = self.database().read(|transaction| {
            let sql = "SELECT l.digest, b.size, b.object, b.data FROM layer_index l \
                       JOIN blob b ON b.digest = l.digest \
                       WHERE l.state = 'pending' OR l.schema_version <> $1 LIMIT 1";
            let schema = i64::from(kiln_layer::SCHEMA);
            let Some(mut row) = transaction.first(sql, &[schema.into()])? else {
                return Ok(None);
            };
            let (digest, size) = (row.get(0)?, row.get(1)?);
            Ok(Some((digest, size, place(&mut row, 2, 3)?)))
        });
        found.await.map_err(|error: DatabaseError| error.into())
    }

    async fn note_failure(&self, layer: &Digest, reason: String) -> Result<(), ContentError> {
        let (layer, now) = (*layer, self.clock().now());
        let noted = self.database().write_relaxed(move |transaction| {
            let sql = "UPDATE layer_index SET state = 'failed', schema_version = $2, \
                       reason = $3, changed = $4 WHERE digest = $1";
            let schema = i64::from(kiln_layer::SCHEMA);
            let parameters = [layer.into(), schema.into(), reason.into(), now.into()];
            transaction.execute(sql, &parameters)
        });
        noted.await.map_err(|error: DatabaseError| error)?;
        Ok(())
    }

    async fn keep_index(
        &self,
        layer: &Digest,
        diff_id: &Digest,
        encoded: Vec<u8>,
    ) -> Result<(), ContentError> {
        let (data, object) = match encoded.len() <= self.options().inline {
            true => (Some(encoded), None),
            false => (None, Some(self.write_index(encoded).await?)),
        };
        let (layer, diff_id, now) = (*layer, *diff_id, self.clock().now());
        let kept = self.database().write_relaxed(move |transaction| {
            let sql = "SELECT object FROM layer_index WHERE digest = $1";
            let old = transaction.first(sql, &[layer.into()])?;
            let old = old.map(|row| row.get::<Option<String>>(0)).transpose()?;
            if let Some(object) = old.flatten() {
                discard_object(transaction, &object, now)?;
            }
            let schema = i64::from(kiln_layer::SCHEMA);
            let object = object.as_ref().map(ObjectKey::as_str);
            let parameters = [
                layer.into(),
                schema.into(),
                diff_id.into(),
                object.into(),
                data.into(),
                now.into(),
            ];
            let sql = "UPDATE layer_index SET state = 'ready', schema_version = $2, \
                       diff_id = $3, object = $4, data = $5, reason = NULL, changed = $6 \
                       WHERE digest = $1";
            let kept = transaction.execute(sql, &parameters)?;
            if let Some(object) = object {
                // Named by the index now; or by nothing, if the layer went meanwhile.
                if kept > 0 {
                    let sql = "DELETE FROM garbage WHERE object = $1";
                    transaction.execute(sql, &[object.into()])?;
                }
            }
            Ok::<_, DatabaseError>(())
        });
        Ok(kept.await?)
    }

    /// Writes an object. Until the index names it, a note far in the future does.
    async fn write_index(&self, encoded: Vec<u8>) -> Result<ObjectKey, ContentError> {
        let key = ObjectKey::unique();
        let noted = key.clone();
        let due = self.clock().now() + crate::clock::milliseconds(self.options().upload_patience);
        let staged = self
            .database()
            .write_relaxed(move |transaction| discard_object(transaction, noted.as_str(), due));
        staged.await.map_err(|error: DatabaseError| error)?;
        let writer = self.storage().create(&key).await?;
        let ((), written) = writer.write(vec![encoded.into()], (), |(), _| {}).await;
        written?.finish().await?;
        Ok(key)
    }
}

/// The diff id of a layer and its index, encoded and compressed; or why there is none.
async fn make_index(open: OpenBlob) -> Result<(Digest, Vec<u8>), String> {
    let handle = Handle::current();
    let made = spawn_blocking(move || {
        let input = BlobInput::new(open, handle);
        let (_, plain) = decompress(input).map_err(|error| error.to_string())?;
        let capped = Capped::new(plain, MAX_LAYER);
        let index = index_tar(capped, &mut io::sink()).map_err(|error| error.to_string())?;
        let compressed = || {
            let mut out = compressor(vec![], &Compression::zstd(3), 0)?;
            io::Write::write_all(&mut out, &index.encode())?;
            out.finish()
        };
        let encoded = compressed().map_err(|error: io::Error| error.to_string())?;
        Ok((index.diff_id, encoded))
    });
    made.await.map_err(|error| error.to_string())?
}
