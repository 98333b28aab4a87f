//! Uploads: sessions that bytes arrive in, until a digest makes them a blob.
//!
//! What arrived is written down with the state of its hash, so that the next request goes on where
//! the last one stopped, also after the server was killed, and nothing is read again. That may be lost
//! when the machine loses power: nobody was told that it is stored. [`Content::finish`] is what waits
//! for the disk.

use std::fmt;
use std::str::FromStr;

use kiln_oci::{Algorithm, Digest};

use super::hash::RunningHash;
use super::records::{discard_object, ensure_repository, link_blob};
use super::upload_receive::{Arrived, ArrivedPlace, Claim, Ended};
use super::{BlobStat, Body, Content, ContentError, UploadError};
use crate::clock::milliseconds;
use crate::database::{DatabaseError, Row, Transaction, Value};
use crate::name::RepositoryName;
use crate::storage::{ObjectKey, READ_BLOCK};

/// The name of an upload: a random UUID (RFC 9562, version 4), which the specification asks for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UploadId(String);

impl UploadId {
    fn unique() -> Self {
        let mut bytes = crate::storage::random();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text)
    }
}

/// A text that is no UUID as this server writes them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of an upload")]
pub struct InvalidUploadId(String);

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        };
        match text.len() == 36 && text.bytes().enumerate().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidUploadId(text.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    /// Bytes that arrived; the offset of the next one.
    pub offset: u64,
}

/// A row of `upload`.
struct Session {
    size: u64,
    hash: RunningHash,
    head: Option<Vec<u8>>,
    object: Option<ObjectKey>,
}

impl Session {
    fn find(
        transaction: &mut dyn Transaction,
        repository: &RepositoryName,
        id: &UploadId,
        epoch: &str,
    ) -> Result<Option<Self>, DatabaseError> {
        let sql = "SELECT size, hash, head, object FROM upload \
                   WHERE id = $1 AND repository = $2 AND epoch = $3";
        let parameters = [id.0.as_str().into(), repository.into(), epoch.into()];
        let row = transaction.first(sql, &parameters)?;
        row.map(Self::of).transpose()
    }

    fn of(mut row: Row) -> Result<Self, DatabaseError> {
        let hash = RunningHash::restore(&row.take::<Vec<u8>>(1)?);
        Ok(Self {
            size: row.get(0)?,
            hash: hash.ok_or(DatabaseError::Unexpected {
                column: 1,
                expected: "the state of a hash",
                found: "other bytes",
            })?,
            head: row.take(2)?,
            object: row.take(3)?,
        })
    }

    fn into_arrived(self) -> Arrived {
        Arrived {
            size: self.size,
            hash: self.hash,
            place: match self.object {
                Some(key) => ArrivedPlace::Object { key, writer: None },
                None => ArrivedPlace::Head(self.head.unwrap_or_default()),
            },
        }
    }
}

impl Content {
    /// Begins an upload of content whose digest will be of `algorithm`; another one costs a second
    /// reading at the end. `who` is for the audit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_upload(
        &self,
        repository: &RepositoryName,
        who: &str,
        algorithm: Algorithm,
    ) -> Result<UploadId, UploadError> {
        let id = UploadId::unique();
        let arrived = Arrived::nothing(RunningHash::new(algorithm));
        self.insert_upload(repository, &id, who, &arrived, None)
            .await?;
        Ok(id)
    }

    async fn insert_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        who: &str,
        arrived: &Arrived,
        object: Option<ObjectKey>,
    ) -> Result<(), DatabaseError> {
        let now = self.clock().now();
        let parameters: [Value; 9] = [
            id.0.as_str().into(),
            repository.into(),
            (arrived.size as i64).into(),
            arrived.hash.save().into(),
            object.as_ref().map(ObjectKey::as_str).into(),
            self.storage().epoch().into(),
            now.into(),
            now.into(),
            who.into(),
        ];
        let inserted = self.database().write_relaxed(move |transaction| {
            let sql = "INSERT INTO upload (id, repository, size, hash, object, epoch, started, \
                       touched, started_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
            transaction.execute(sql, &parameters)
        });
        inserted.await.map(drop)
    }

    async fn session(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<Session, UploadError> {
        let (name, wanted) = (repository.clone(), id.clone());
        let epoch = self.storage().epoch().to_owned();
        let found = self
            .database()
            .read(move |transaction| Session::find(transaction, &name, &wanted, &epoch));
        let found = found.await.map_err(|error: DatabaseError| error)?;
        found.ok_or_else(|| UploadError::Unknown { id: id.clone() })
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`UploadError::Unknown`], or when the database fails.
    pub async fn upload_status(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<UploadStatus, UploadError> {
        let session = self.session(repository, id).await?;
        Ok(UploadStatus {
            offset: session.size,
        })
    }

    /// Adds a body to an upload. With `offset`, that is where its first byte must go. Returns where the
    /// next byte goes. It is done even if the caller stops waiting, as far as the body comes.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        offset: Option<u64>,
        body: Body,
    ) -> Result<u64, UploadError> {
        let claim = Claim::of(self, id)?;
        let (content, repository, id) = (self.clone(), repository.clone(), id.clone());
        detached(async move {
            let _claim = claim;
            let arrived = content
                .take_in(&repository, &id, offset, body, false)
                .await?;
            Ok(arrived.size)
        })
        .await
    }

    /// Takes a body in and writes down how far the upload is, unless it is the `last` one and complete:
    /// then the upload becomes a blob right away.
    async fn take_in(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        offset: Option<u64>,
        mut body: Body,
        last: bool,
    ) -> Result<Arrived, UploadError> {
        let session = self.session(repository, id).await?;
        let before = session.size;
        if offset.is_some_and(|offset| offset != before) {
            return Err(UploadError::OutOfOrder { offset: before });
        }
        let mut arrived = session.into_arrived();
        let stage = |key| self.stage_object(id, key);
        let ended = match self.receive(&mut arrived, &mut body, stage).await {
            Ok(ended) => ended,
            Err(error) => {
                self.discard_received(id, &arrived).await;
                return Err(error);
            }
        };
        let settled = last && matches!(ended, Ended::Complete);
        if arrived.size != before && !settled {
            self.record(id, before, &arrived).await?;
        }
        match ended {
            Ended::Complete => Ok(arrived),
            Ended::Broken(source) => Err(UploadError::Body { source }),
        }
    }

    /// Writes down the object that an upload is about to begin.
    async fn stage_object(&self, id: &UploadId, key: ObjectKey) -> Result<(), DatabaseError> {
        let id = id.clone();
        let staged = self.database().write_relaxed(move |transaction| {
            let sql = "UPDATE upload SET object = $2 WHERE id = $1";
            transaction.execute(sql, &[id.0.as_str().into(), key.as_str().into()])
        });
        staged.await.map(drop)
    }

    /// Writes down how far an upload is, if nobody else moved it from `before`.
    async fn record(
        &self,
        id: &UploadId,
        before: u64,
        arrived: &Arrived,
    ) -> Result<(), UploadError> {
        let (head, object) = match &arrived.place {
            ArrivedPlace::Head(head) => (Some(head.clone()), None),
            ArrivedPlace::Object { key, .. } => (None, Some(key.as_str())),
        };
        let parameters: [Value; 7] = [
            id.0.as_str().into(),
            (before as i64).into(),
            (arrived.size as i64).into(),
            arrived.hash.save().into(),
            head.into(),
            object.into(),
            self.clock().now().into(),
        ];
        let recorded = self.database().write_relaxed(move |transaction| {
            let sql = "UPDATE upload SET size = $3, hash = $4, head = $5, object = $6, \
                       touched = $7 WHERE id = $1 AND size = $2";
            transaction.execute(sql, &parameters)
        });
        match recorded.await.map_err(|error: DatabaseError| error)? {
            0 => Err(UploadError::Unknown { id: id.clone() }),
            _ => Ok(()),
        }
    }

    /// Gives an upload up. What cannot be written down now, collection finds later.
    async fn discard(&self, id: &UploadId) {
        let _ = self.remove_upload(id, None).await;
    }

    /// The same for an upload that no commit was tried for. Its object goes first: where the disk is
    /// full, nothing can be written down before there is room again.
    async fn discard_received(&self, id: &UploadId, arrived: &Arrived) {
        if let ArrivedPlace::Object { key, .. } = &arrived.place {
            // What cannot be removed now, collection finds later.
            let _ = self.storage().remove(key).await;
        }
        self.discard(id).await;
    }

    async fn remove_upload(
        &self,
        id: &UploadId,
        repository: Option<&RepositoryName>,
    ) -> Result<bool, ContentError> {
        let (wanted, repository) = (id.clone(), repository.cloned());
        let now = self.clock().now();
        let removed = self.database().write_relaxed(move |transaction| {
            let sql = "DELETE FROM upload WHERE id = $1 AND ($2 = '' OR repository = $2) \
                       RETURNING object";
            let name = repository.as_ref().map_or("", RepositoryName::as_str);
            let row = transaction.first(sql, &[wanted.0.as_str().into(), name.into()])?;
            let Some(row) = row else {
                return Ok(None);
            };
            let object = row.get::<Option<ObjectKey>>(0)?;
            if let Some(key) = &object {
                discard_object(transaction, key.as_str(), now)?;
            }
            Ok::<_, DatabaseError>(Some(object))
        });
        let Some(object) = removed.await? else {
            return Ok(false);
        };
        if let Some(key) = object {
            self.remove_object(&key).await?;
        }
        Ok(true)
    }

    /// Removes an object that is given up, and the note about it.
    pub(crate) async fn remove_object(&self, key: &ObjectKey) -> Result<(), ContentError> {
        self.storage().remove(key).await?;
        let key = key.clone();
        let forgotten = self.database().write_relaxed(move |transaction| {
            let sql = "DELETE FROM garbage WHERE object = $1";
            transaction.execute(sql, &[key.as_str().into()])
        });
        forgotten.await.map_err(|error: DatabaseError| error)?;
        Ok(())
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`UploadError::Unknown`], or when the database or the storage fail.
    pub async fn cancel(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<(), UploadError> {
        let _claim = Claim::of(self, id)?;
        match self.remove_upload(id, Some(repository)).await? {
            true => Ok(()),
            false => Err(UploadError::Unknown { id: id.clone() }),
        }
    }

    /// Adds the last body, which may be empty, and makes the upload a blob. When this returns `Ok`, the
    /// blob is on disk and has a lease.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn finish(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        offset: Option<u64>,
        body: Body,
        digest: &Digest,
    ) -> Result<BlobStat, UploadError> {
        let claim = Claim::of(self, id)?;
        let (content, repository) = (self.clone(), repository.clone());
        let (id, digest) = (id.clone(), *digest);
        detached(async move {
            let _claim = claim;
            let arrived = content
                .take_in(&repository, &id, offset, body, true)
                .await?;
            let stored = content
                .settle(&repository, arrived, &digest, Some(&id))
                .await;
            if stored.is_err() {
                content.discard(&id).await;
            }
            stored
        })
        .await
    }

    /// Stores a blob that comes in one request.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub async fn put_blob(
        &self,
        repository: &RepositoryName,
        who: &str,
        body: Body,
        digest: &Digest,
    ) -> Result<BlobStat, UploadError> {
        let (content, repository) = (self.clone(), repository.clone());
        let (who, digest) = (who.to_owned(), *digest);
        detached(async move { content.take_whole(&repository, &who, body, &digest).await }).await
    }

    async fn take_whole(
        &self,
        repository: &RepositoryName,
        who: &str,
        mut body: Body,
        digest: &Digest,
    ) -> Result<BlobStat, UploadError> {
        let id = UploadId::unique();
        let mut arrived = Arrived::nothing(RunningHash::new(digest.algorithm()));
        let fresh = Arrived::nothing(arrived.hash.clone());
        // Small content needs no session: it goes into the database with its row.
        let stage = |key| self.insert_upload(repository, &id, who, &fresh, Some(key));
        let error = match self.receive(&mut arrived, &mut body, stage).await {
            Ok(Ended::Complete) => {
                let stored = self.settle(repository, arrived, digest, Some(&id)).await;
                if stored.is_err() {
                    self.discard(&id).await;
                }
                return stored;
            }
            Ok(Ended::Broken(source)) => UploadError::Body { source },
            Err(error) => error,
        };
        self.discard_received(&id, &arrived).await;
        Err(error)
    }

    /// Verifies what arrived, waits until it is on disk, and lets the repository have it.
    async fn settle(
        &self,
        repository: &RepositoryName,
        arrived: Arrived,
        digest: &Digest,
        upload: Option<&UploadId>,
    ) -> Result<BlobStat, UploadError> {
        let size = arrived.size;
        let same = arrived.hash.algorithm() == digest.algorithm();
        let first = same.then(|| arrived.hash.finish());
        let (data, object) = match arrived.place {
            ArrivedPlace::Head(head) => (Some(head), None),
            ArrivedPlace::Object { key, writer } => {
                let writer = match writer {
                    Some(writer) => writer,
                    None => self.storage().resume(&key, size).await?,
                };
                if first.is_none_or(|found| found == *digest) {
                    writer.finish().await?;
                }
                (None, Some(key))
            }
        };
        let found = match (first, &data, &object) {
            (Some(found), _, _) => found,
            (None, Some(data), _) => {
                let mut hash = RunningHash::new(digest.algorithm());
                hash.update(data);
                hash.finish()
            }
            (None, None, object) => {
                let key = object.as_ref().expect("because it is in either place");
                self.hash_object(key, size, digest).await?
            }
        };
        if found != *digest {
            return Err(UploadError::DigestMismatch {
                expected: *digest,
                found: found.into(),
            });
        }
        self.commit_blob(repository, digest, size, data, object, upload)
            .await?;
        Ok(BlobStat {
            digest: *digest,
            size,
        })
    }

    /// The digest of an object, by reading it. Only needed where the upload began with another
    /// algorithm.
    async fn hash_object(
        &self,
        key: &ObjectKey,
        size: u64,
        digest: &Digest,
    ) -> Result<Digest, ContentError> {
        let mut hash = RunningHash::new(digest.algorithm());
        let reader = self.storage().open(key).await?;
        let mut offset = 0;
        while let Some(reader) = &reader
            && offset < size
        {
            let bytes = reader.read(offset, READ_BLOCK).await?;
            if bytes.is_empty() {
                break;
            }
            offset += bytes.len() as u64;
            hash.update(&bytes);
        }
        Ok(hash.finish())
    }

    async fn commit_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        size: u64,
        data: Option<Vec<u8>>,
        object: Option<ObjectKey>,
        upload: Option<&UploadId>,
    ) -> Result<(), ContentError> {
        let now = self.clock().now();
        let lease = now + milliseconds(self.options().blob_lease);
        let (name, wanted, upload) = (repository.clone(), *digest, upload.cloned());
        let committed = self.database().write(move |transaction| {
            let unneeded = store(transaction, &wanted, size, data, object.as_ref(), now)?;
            let id = ensure_repository(transaction, &name, now)?;
            link_blob(transaction, id, &wanted, lease)?;
            if let Some(upload) = &upload {
                let sql = "DELETE FROM upload WHERE id = $1";
                transaction.execute(sql, &[upload.0.as_str().into()])?;
            }
            Ok::<_, DatabaseError>(unneeded)
        });
        let unneeded = committed.await?;
        self.forget_blob(repository, *digest);
        if let Some(key) = unneeded {
            // The blob is stored. An object that could not be removed is removed by collection.
            let _ = self.remove_object(&key).await;
        }
        Ok(())
    }
}

/// Adds a blob, or puts it in the place of a damaged one. Returns the object that is not needed: the
/// new one where the blob is there already.
fn store(
    transaction: &mut dyn Transaction,
    digest: &Digest,
    size: u64,
    data: Option<Vec<u8>>,
    object: Option<&ObjectKey>,
    now: i64,
) -> Result<Option<ObjectKey>, DatabaseError> {
    let sql = "SELECT damaged, object FROM blob WHERE digest = $1";
    let (sql, unneeded) = match transaction.first(sql, &[digest.into()])? {
        None => {
            let sql = "INSERT INTO blob (digest, size, object, data, created, checked) \
                       VALUES ($1, $2, $3, $4, $5, $5)";
            (Some(sql), None)
        }
        Some(row) if row.get::<Option<i64>>(0)?.is_some() => {
            let sql = "UPDATE blob SET size = $2, object = $3, data = $4, created = $5, \
                       checked = $5, damaged = NULL WHERE digest = $1";
            (Some(sql), row.get::<Option<ObjectKey>>(1)?)
        }
        Some(_) => (None, object.cloned()),
    };
    if let Some(sql) = sql {
        let object = object.map(ObjectKey::as_str);
        let parameters = [
            digest.into(),
            (size as i64).into(),
            object.into(),
            data.into(),
            now.into(),
        ];
        transaction.execute(sql, &parameters)?;
    }
    if let Some(key) = &unneeded {
        discard_object(transaction, key.as_str(), now)?;
    }
    Ok(unneeded)
}

/// Runs to its end even if the caller is dropped: a client that goes away must not leave an upload
/// that is half written down while a block of it is still on its way to the disk.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, UploadError>> + Send + 'static,
) -> Result<T, UploadError> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(_) => Err(DatabaseError::Abandoned {
            reason: "the upload's task panicked, or the server is ending",
        }
        .into()),
    }
}
