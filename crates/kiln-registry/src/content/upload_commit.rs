//! The end of an upload: what arrived is verified, is on disk, and becomes a blob.

use kiln_oci::Digest;

use super::hash::RunningHash;
use super::records::{discard_object, ensure_repository, link_blob};
use super::upload::detached;
use super::upload_claim::Claim;
use super::upload_receive::{Arrived, ArrivedPlace, Ended};
use super::{BlobStat, Body, Content, ContentError, UploadError, UploadId};
use crate::clock::milliseconds;
use crate::database::{DatabaseError, Transaction};
use crate::name::RepositoryName;
use crate::storage::{ObjectKey, READ_BLOCK};

impl Content {
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
            let claim = claim.among_all().await?;
            let work = async {
                let taking = content.take_in(&repository, &id, offset, body, true, &claim);
                let arrived = taking.await?;
                let stored = content.settle(&repository, arrived, &digest, &id, &claim);
                let stored = stored.await;
                if stored.is_err() {
                    content.discard(&id, &claim).await;
                }
                stored
            };
            let finished = claim.keep(work).await;
            if finished.is_err() {
                claim.release().await;
            }
            finished
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
        let claim = Claim::of(self, &id)?;
        let taking = self.take_claimed(repository, who, &mut body, digest, &id, &claim);
        claim.keep(taking).await
    }

    async fn take_claimed(
        &self,
        repository: &RepositoryName,
        who: &str,
        body: &mut Body,
        digest: &Digest,
        id: &UploadId,
        claim: &Claim,
    ) -> Result<BlobStat, UploadError> {
        let mut arrived = Arrived::nothing(RunningHash::new(digest.algorithm()));
        let fresh = Arrived::nothing(arrived.hash.clone());
        // Small content needs no session: it goes into the database with its row.
        let stage = async |key| {
            let inserting = self.insert_upload(repository, id, who, &fresh, Some(key), Some(claim));
            Ok(inserting.await?)
        };
        let error = match self.receive(&mut arrived, body, stage).await {
            Ok(Ended::Complete) => {
                let stored = self.settle(repository, arrived, digest, id, claim).await;
                if stored.is_err() {
                    self.discard(id, claim).await;
                }
                return stored;
            }
            Ok(Ended::Broken(source)) => UploadError::Body { source },
            Err(error) => error,
        };
        self.discard_received(id, &arrived, claim).await;
        Err(error)
    }

    /// Verifies what arrived, waits until it is on disk, and lets the repository have it.
    async fn settle(
        &self,
        repository: &RepositoryName,
        arrived: Arrived,
        digest: &Digest,
        upload: &UploadId,
        claim: &Claim,
    ) -> Result<BlobStat, UploadError> {
        let size = arrived.size;
        let same = arrived.hash.algorithm() == digest.algorithm();
        let first = same.then(|| arrived.hash.finish());
        let (data, object) = match arrived.place {
            ArrivedPlace::Head(head) => (Some(head), None),
            ArrivedPlace::Object { key, state, writer } => {
                let writer = match writer {
                    Some(writer) => writer,
                    None => self.storage().resume(&key, size, &state).await?,
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
        let kept = Kept {
            size,
            data,
            object,
            upload: upload.clone(),
            claim: claim.token().to_owned(),
        };
        self.commit_blob(repository, digest, kept).await?;
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
        kept: Kept,
    ) -> Result<(), UploadError> {
        let now = self.clock().now();
        let lease = now + milliseconds(self.options().blob_lease);
        let (name, wanted) = (repository.clone(), *digest);
        let committed = self.database().write(move |transaction| {
            let sql = "DELETE FROM upload WHERE id = $1 AND claim = $2";
            let parameters = [kept.upload.to_string().into(), kept.claim.into()];
            let gone = transaction.execute(sql, &parameters)?;
            // Another server took the upload over, or gave it up: its object is not this one's to keep.
            if gone == 0 && kept.object.is_some() {
                return Err(UploadError::Unknown { id: kept.upload });
            }
            let object = kept.object.as_ref();
            let unneeded = store(transaction, &wanted, kept.size, kept.data, object, now)?;
            let id = ensure_repository(transaction, &name, now)?;
            link_blob(transaction, id, &wanted, lease)?;
            Ok::<_, UploadError>(unneeded)
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

/// Content that was verified, where it is, and the upload that brought it.
struct Kept {
    size: u64,
    data: Option<Vec<u8>>,
    object: Option<ObjectKey>,
    upload: UploadId,
    claim: String,
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
