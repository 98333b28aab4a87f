//! Uploads: sessions that bytes arrive in, until a digest makes them a blob.
//!
//! What arrived is written down with the state of its hash, so that the next request goes on where
//! the last one stopped, also after the server was killed, and nothing is read again. That may be lost
//! when the machine loses power: nobody was told that it is stored. What makes an upload a blob, and
//! waits for the disk, is in [`upload_commit`](super::upload_commit).

use kiln_oci::Algorithm;

use super::hash::RunningHash;
use super::records::discard_object;
use super::upload_claim::Claim;
use super::upload_receive::{Arrived, ArrivedPlace, Ended};
use super::{Body, Content, ContentError, UploadError, UploadId};
use crate::database::{DatabaseError, Row, Transaction, Value};
use crate::name::RepositoryName;
use crate::storage::ObjectKey;

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
    /// How the storage goes on with the object.
    state: Vec<u8>,
}

impl Session {
    fn find(
        transaction: &mut dyn Transaction,
        repository: &RepositoryName,
        id: &UploadId,
        epoch: &str,
    ) -> Result<Option<Self>, DatabaseError> {
        let sql = "SELECT size, hash, head, object, state FROM upload \
                   WHERE id = $1 AND repository = $2 AND epoch = $3";
        let parameters = [id.as_str().into(), repository.into(), epoch.into()];
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
            state: row.take::<Option<Vec<u8>>>(4)?.unwrap_or_default(),
        })
    }

    fn into_arrived(self) -> Arrived {
        Arrived {
            size: self.size,
            hash: self.hash,
            place: match self.object {
                Some(key) => ArrivedPlace::Object {
                    key,
                    state: self.state,
                    writer: None,
                },
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
        self.insert_upload(repository, &id, who, &arrived, None, None)
            .await?;
        Ok(id)
    }

    /// Writes an upload down, with the claim of the request that is sending to it, if one is.
    pub(super) async fn insert_upload(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        who: &str,
        arrived: &Arrived,
        object: Option<ObjectKey>,
        claim: Option<&Claim>,
    ) -> Result<(), DatabaseError> {
        let now = self.clock().now();
        let parameters: [Value; 11] = [
            id.as_str().into(),
            repository.into(),
            (arrived.size as i64).into(),
            arrived.hash.save().into(),
            object.as_ref().map(ObjectKey::as_str).into(),
            self.storage().epoch().into(),
            now.into(),
            now.into(),
            who.into(),
            claim.map_or("", Claim::token).into(),
            claim.map_or(0, Claim::until).into(),
        ];
        let inserted = self.database().write_relaxed(move |transaction| {
            let sql = "INSERT INTO upload (id, repository, size, hash, object, epoch, started, \
                       touched, started_by, claim, claimed) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
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
            let claim = claim.among_all().await?;
            let taking = content.take_in(&repository, &id, offset, body, false, &claim);
            let taken = claim.keep(taking).await;
            claim.release().await;
            Ok(taken?.size)
        })
        .await
    }

    /// Takes a body in and writes down how far the upload is, unless it is the `last` one and complete:
    /// then the upload becomes a blob right away.
    pub(super) async fn take_in(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        offset: Option<u64>,
        mut body: Body,
        last: bool,
        claim: &Claim,
    ) -> Result<Arrived, UploadError> {
        let session = self.session(repository, id).await?;
        let before = session.size;
        if offset.is_some_and(|offset| offset != before) {
            return Err(UploadError::OutOfOrder { offset: before });
        }
        let mut arrived = session.into_arrived();
        let stage = |key| self.stage_object(id, key, claim);
        let ended = match self.receive(&mut arrived, &mut body, stage).await {
            Ok(ended) => ended,
            Err(error) => {
                self.discard_received(id, &arrived, claim).await;
                return Err(error);
            }
        };
        let settled = last && matches!(ended, Ended::Complete);
        if arrived.size != before && !settled {
            self.record(id, before, &mut arrived, claim).await?;
        }
        match ended {
            Ended::Complete => Ok(arrived),
            Ended::Broken(source) => Err(UploadError::Body { source }),
        }
    }

    /// Writes down the object that an upload is about to begin.
    async fn stage_object(
        &self,
        id: &UploadId,
        key: ObjectKey,
        claim: &Claim,
    ) -> Result<(), UploadError> {
        let (wanted, token) = (id.to_string(), claim.token().to_owned());
        let staged = self.database().write_relaxed(move |transaction| {
            let sql = "UPDATE upload SET object = $2 WHERE id = $1 AND claim = $3";
            let parameters = [wanted.into(), key.as_str().into(), token.into()];
            transaction.execute(sql, &parameters)
        });
        match staged.await.map_err(|error: DatabaseError| error)? {
            // An object that no row names could not be begun.
            0 => Err(UploadError::Unknown { id: id.clone() }),
            _ => Ok(()),
        }
    }

    /// Writes down how far an upload is, if nobody else moved it from `before`.
    async fn record(
        &self,
        id: &UploadId,
        before: u64,
        arrived: &mut Arrived,
        claim: &Claim,
    ) -> Result<(), UploadError> {
        let (head, object, state) = match &mut arrived.place {
            ArrivedPlace::Head(head) => (Some(head.clone()), None, vec![]),
            ArrivedPlace::Object { key, state, writer } => {
                if let Some(writer) = writer.take() {
                    *state = writer.pause().await?;
                }
                (None, Some(key.as_str()), state.clone())
            }
        };
        let parameters: [Value; 9] = [
            id.as_str().into(),
            (before as i64).into(),
            (arrived.size as i64).into(),
            arrived.hash.save().into(),
            head.into(),
            object.into(),
            self.clock().now().into(),
            state.into(),
            claim.token().into(),
        ];
        let recorded = self.database().write_relaxed(move |transaction| {
            let sql = "UPDATE upload SET size = $3, hash = $4, head = $5, object = $6, \
                       touched = $7, state = $8 WHERE id = $1 AND size = $2 AND claim = $9";
            transaction.execute(sql, &parameters)
        });
        match recorded.await.map_err(|error: DatabaseError| error)? {
            0 => Err(UploadError::Unknown { id: id.clone() }),
            _ => Ok(()),
        }
    }

    /// Gives an upload up. What cannot be written down now, collection finds later.
    pub(super) async fn discard(&self, id: &UploadId, claim: &Claim) {
        let _ = self.remove_upload(id, None, claim).await;
    }

    /// The same for an upload that no commit was tried for. Its object goes first: where the disk is
    /// full, nothing can be written down before there is room again.
    pub(super) async fn discard_received(&self, id: &UploadId, arrived: &Arrived, claim: &Claim) {
        if let ArrivedPlace::Object { key, .. } = &arrived.place
            // Another server may have taken the upload over, and the object with it.
            && !self.database().is_shared()
        {
            // What cannot be removed now, collection finds later.
            let _ = self.storage().remove(key).await;
        }
        self.discard(id, claim).await;
    }

    async fn remove_upload(
        &self,
        id: &UploadId,
        repository: Option<&RepositoryName>,
        claim: &Claim,
    ) -> Result<bool, ContentError> {
        let (wanted, repository) = (id.clone(), repository.cloned());
        let token = claim.token().to_owned();
        let now = self.clock().now();
        let removed = self.database().write_relaxed(move |transaction| {
            let sql = "DELETE FROM upload WHERE id = $1 AND ($2 = '' OR repository = $2) \
                       AND claim = $3 RETURNING object";
            let name = repository.as_ref().map_or("", RepositoryName::as_str);
            let row =
                transaction.first(sql, &[wanted.as_str().into(), name.into(), token.into()])?;
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
        let claim = Claim::of(self, id)?.among_all().await?;
        match self.remove_upload(id, Some(repository), &claim).await? {
            true => Ok(()),
            false => {
                // It may be one of another repository.
                claim.release().await;
                Err(UploadError::Unknown { id: id.clone() })
            }
        }
    }
}

/// Runs to its end even if the caller is dropped: a client that goes away must not leave an upload
/// that is half written down while a block of it is still on its way to the disk.
pub(super) async fn detached<T: Send + 'static>(
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
