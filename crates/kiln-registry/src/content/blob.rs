//! Blobs that are there: asking, reading, mounting, deleting.

use bytes::Bytes;
use kiln_oci::Digest;

use super::records::{ensure_repository, link_blob, repository};
use super::{Content, ContentError, DeleteError, OpenBlob};
use crate::clock::milliseconds;
use crate::database::{DatabaseError, Row, Transaction};
use crate::name::RepositoryName;
use crate::storage::ObjectKey;

/// What is known of a blob without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobStat {
    /// The digest that it was asked for by.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// A blob of a repository as it was read from the database.
#[derive(Clone, Debug)]
pub(crate) struct CachedBlob {
    pub(crate) size: u64,
    pub(crate) lease: i64,
    pub(crate) place: BlobPlace,
}

/// Where a blob's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum BlobPlace {
    /// In the database.
    Row(Bytes),
    /// In an object.
    Object(ObjectKey),
}

impl CachedBlob {
    /// Bytes of memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        match &self.place {
            BlobPlace::Row(bytes) => 512 + bytes.len(),
            BlobPlace::Object(_) => 512,
        }
    }
}

const FIND: &str = "SELECT b.size, b.object, b.data, rb.lease FROM repository_blob rb \
                    JOIN blob b ON b.digest = rb.digest \
                    WHERE rb.repository = (SELECT id FROM repository WHERE name = $1) \
                    AND rb.digest = $2 AND b.damaged IS NULL";

/// Where a blob's bytes are, from two columns of its row.
pub(crate) fn place(row: &mut Row, object: usize, data: usize) -> Result<BlobPlace, DatabaseError> {
    match row.take::<Option<Vec<u8>>>(data)? {
        Some(bytes) => Ok(BlobPlace::Row(bytes.into())),
        None => row.take(object).map(BlobPlace::Object),
    }
}

fn find(
    transaction: &mut dyn Transaction,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<CachedBlob>, DatabaseError> {
    let Some(mut row) = transaction.first(FIND, &[repository.into(), digest.into()])? else {
        return Ok(None);
    };
    Ok(Some(CachedBlob {
        size: row.get(0)?,
        lease: row.get(3)?,
        place: place(&mut row, 1, 2)?,
    }))
}

impl Content {
    /// Whether a repository has a blob, and how large it is. Who is told yes may count on it: it stays
    /// for at least half of [`blob_lease`](super::ContentOptions::blob_lease), where that can be
    /// written down.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stat_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<BlobStat>, ContentError> {
        let Some(blob) = self.find_blob(repository, digest).await? else {
            return Ok(None);
        };
        let stat = BlobStat {
            digest: *digest,
            size: blob.size,
        };
        let now = self.clock().now();
        let lease = milliseconds(self.options().blob_lease);
        if blob.lease - now >= lease / 2 {
            return Ok(Some(stat));
        }
        match self.renew(repository, digest, now + lease).await {
            Ok(true) => Ok(Some(stat)),
            Ok(false) => Ok(None),
            // The blob is there. Who asks in order to push will hear of the disk when he pushes.
            Err(error) if error.is_full() || error.is_read_only() => Ok(Some(stat)),
            Err(error) => Err(error),
        }
    }

    /// Gives a blob a new lease. False if it is no longer there.
    async fn renew(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        lease: i64,
    ) -> Result<bool, ContentError> {
        let key = (repository.clone(), *digest);
        self.0.blobs.forget(&key);
        let ticket = self.0.blobs.ticket(&key);
        let (name, wanted) = key.clone();
        let renewed = self.database().write(move |transaction| {
            let sql = "UPDATE repository_blob SET lease = $3 WHERE digest = $2 AND lease < $3 \
                       AND repository = (SELECT id FROM repository WHERE name = $1)";
            let parameters = [(&name).into(), wanted.into(), lease.into()];
            transaction.execute(sql, &parameters)?;
            find(transaction, &name, &wanted)
        });
        let renewed: Option<CachedBlob> = renewed.await.map_err(|error: DatabaseError| error)?;
        let found = renewed.is_some();
        if let Some(blob) = renewed {
            let weight = blob.weight();
            self.0.blobs.insert(ticket, key, blob, weight);
        }
        Ok(found)
    }

    /// A blob of a repository, from memory or the database.
    pub(crate) async fn find_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<CachedBlob>, ContentError> {
        let key = (repository.clone(), *digest);
        if let Some(blob) = self.0.blobs.get(&key) {
            return Ok(Some(blob));
        }
        let ticket = self.0.blobs.ticket(&key);
        let (name, wanted) = key.clone();
        let found = self
            .database()
            .read(move |transaction| find(transaction, &name, &wanted));
        let found = found.await.map_err(|error: DatabaseError| error)?;
        if let Some(blob) = &found {
            self.0
                .blobs
                .insert(ticket, key, blob.clone(), blob.weight());
        }
        Ok(found)
    }

    /// Opens a blob of a repository to be read; nothing if it does not have it.
    ///
    /// # Errors
    /// When the database or the storage fail.
    pub async fn open_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<OpenBlob>, ContentError> {
        // The second time what memory held wrongly is forgotten.
        for _ in 0..2 {
            let Some(blob) = self.find_blob(repository, digest).await? else {
                return Ok(None);
            };
            match self.open_place(&blob.place, blob.size).await? {
                Some(open) => return Ok(Some(open)),
                None => self.forget_blob(repository, *digest),
            }
        }
        Ok(None)
    }

    /// A URL of the storage that a blob can be read from for a while; nothing where clients are not to
    /// be sent there, and for blobs that are in the database.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn shared_url(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<String>, ContentError> {
        if !self.storage().shares() {
            return Ok(None);
        }
        match self.find_blob(repository, digest).await? {
            Some(CachedBlob {
                place: BlobPlace::Object(key),
                ..
            }) => Ok(self.storage().shared_url(&key)),
            _ => Ok(None),
        }
    }

    pub(crate) async fn open_place(
        &self,
        place: &BlobPlace,
        size: u64,
    ) -> Result<Option<OpenBlob>, ContentError> {
        match place {
            BlobPlace::Row(bytes) => Ok(Some(OpenBlob::of_bytes(bytes.clone()))),
            BlobPlace::Object(key) => {
                let reader = self.storage().open(key).await?;
                Ok(reader.map(|reader| OpenBlob::of_object(reader, size)))
            }
        }
    }

    /// Makes a blob of the repository `from` readable in `repository`, too; without `from`, a blob of
    /// any repository of the same project. False if there is none. The caller has checked that who
    /// asks may read `from`: else this would tell what it holds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mount(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<bool, ContentError> {
        let now = self.clock().now();
        let lease = now + milliseconds(self.options().blob_lease);
        let (name, wanted) = (repository.clone(), *digest);
        let from = from.cloned();
        let mounted = self.database().write(move |transaction| {
            if !is_readable(transaction, &name, &wanted, from.as_ref())? {
                return Ok(false);
            }
            let id = ensure_repository(transaction, &name, now)?;
            link_blob(transaction, id, &wanted, lease)?;
            Ok::<_, DatabaseError>(true)
        });
        let mounted = mounted.await?;
        self.forget_blob(repository, *digest);
        Ok(mounted)
    }

    /// Takes a blob out of a repository. Its bytes stay while another repository has it.
    ///
    /// # Errors
    /// [`DeleteError::Unknown`]; [`DeleteError::Needed`] when a manifest of the repository names it.
    pub async fn delete_blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), DeleteError> {
        let (name, wanted) = (repository.clone(), *digest);
        let due = self.clock().now() + milliseconds(self.options().reading_patience);
        let deleted = self.database().write(move |transaction| {
            let unknown = || DeleteError::Unknown {
                what: format!("blob {wanted} in {name}"),
            };
            let id = self::repository(transaction, &name)?.ok_or_else(unknown)?;
            if let Some(by) = needed_by(transaction, id, &wanted, 0)? {
                return Err(DeleteError::Needed {
                    digest: wanted,
                    by: by.into(),
                });
            }
            let sql = "DELETE FROM repository_blob WHERE repository = $1 AND digest = $2";
            match transaction.execute(sql, &[id.into(), wanted.into()])? {
                0 => Err(unknown()),
                _ => Ok(drop_unlinked(transaction, &wanted, due).map(drop)?),
            }
        });
        let result = deleted.await;
        self.forget_blob(repository, *digest);
        result
    }
}

/// A manifest of the repository that names `digest`: as a blob with `kind` 0, as a manifest with 1.
pub(crate) fn needed_by(
    transaction: &mut dyn Transaction,
    repository: i64,
    digest: &Digest,
    kind: i64,
) -> Result<Option<Digest>, DatabaseError> {
    let sql = "SELECT manifest FROM manifest_needs \
               WHERE repository = $1 AND digest = $2 AND kind = $3 LIMIT 1";
    let row = transaction.first(sql, &[repository.into(), digest.into(), kind.into()])?;
    row.map(|row| row.get(0)).transpose()
}

/// Removes a blob that is in no repository any more and gives up its object. Returns the bytes that
/// this frees; nothing where a repository still has it.
pub(crate) fn drop_unlinked(
    transaction: &mut dyn Transaction,
    digest: &Digest,
    due: i64,
) -> Result<Option<u64>, DatabaseError> {
    let sql = "DELETE FROM blob WHERE digest = $1 AND NOT EXISTS \
               (SELECT 1 FROM repository_blob WHERE digest = $1) RETURNING object, size";
    let Some(row) = transaction.first(sql, &[digest.into()])? else {
        return Ok(None);
    };
    if let Some(object) = row.get::<Option<String>>(0)? {
        super::records::discard_object(transaction, &object, due)?;
    }
    let sql = "DELETE FROM layer_index WHERE digest = $1 RETURNING object";
    if let Some(index) = transaction.first(sql, &[digest.into()])?
        && let Some(object) = index.get::<Option<String>>(0)?
    {
        super::records::discard_object(transaction, &object, due)?;
    }
    row.get(1).map(Some)
}

/// Whether a blob can be had from `from`, or from somewhere in the project of `name`.
fn is_readable(
    transaction: &mut dyn Transaction,
    name: &RepositoryName,
    digest: &Digest,
    from: Option<&RepositoryName>,
) -> Result<bool, DatabaseError> {
    let (column, value) = match from {
        Some(from) => ("name", from.as_str()),
        None => ("project", name.project()),
    };
    let sql = format!(
        "SELECT 1 FROM repository_blob rb JOIN repository r ON r.id = rb.repository \
         JOIN blob b ON b.digest = rb.digest \
         WHERE rb.digest = $1 AND r.{column} = $2 AND b.damaged IS NULL LIMIT 1"
    );
    let row = transaction.first(&sql, &[digest.into(), value.into()])?;
    Ok(row.is_some())
}

impl crate::database::FromValue for ObjectKey {
    const EXPECTED: &'static str = "the key of an object";

    fn from_value(value: crate::database::Value) -> Result<Self, crate::database::Value> {
        let text = String::from_value(value)?;
        text.parse().map_err(|_| crate::database::Value::Text(text))
    }
}
