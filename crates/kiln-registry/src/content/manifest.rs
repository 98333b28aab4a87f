//! Manifests: stored in one transaction with their tags, read from memory where they can be.

use std::sync::Arc;

use bytes::Bytes;
use kiln_oci::{Algorithm, Digest};

use super::document::{Described, describe};
use super::hash::RunningHash;
use super::history::{Change, move_tag};
use super::records::ensure_repository;
use super::{Content, ContentError, PutManifestError, rules};
use crate::clock::milliseconds;
use crate::database::{DatabaseError, Transaction};
use crate::name::{ManifestReference, RepositoryName, Tag};

/// A manifest to be stored.
#[derive(Clone, Debug)]
pub struct NewManifest {
    /// The name that it is pushed under. A digest must be the content's.
    pub reference: ManifestReference,
    /// Further tags that are to point to it.
    pub extra_tags: Vec<Tag>,
    /// The media type that was sent with it. Parameters do not count.
    pub media_type: Option<String>,
    /// The exact bytes.
    pub bytes: Bytes,
    /// Who pushes it.
    pub who: String,
}

/// What became of a manifest that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// What it refers to.
    pub subject: Option<Digest>,
    /// The tags that point to it now because of this push.
    pub tags: Vec<Tag>,
}

/// A manifest as it was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// The media type that it was pushed with.
    pub media_type: String,
    /// The exact bytes.
    pub bytes: Bytes,
}

fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hash = RunningHash::new(algorithm);
    hash.update(bytes);
    hash.finish()
}

impl Content {
    /// Stores a manifest and points its tags to it, all or nothing. Everything that it needs must be
    /// in the repository; what it refers to as its subject need not.
    ///
    /// # Errors
    /// See [`PutManifestError`].
    pub async fn put_manifest(
        &self,
        repository: &RepositoryName,
        manifest: NewManifest,
    ) -> Result<Stored, PutManifestError> {
        let limit = self.options().max_manifest;
        if manifest.bytes.len() as u64 > limit {
            return Err(PutManifestError::TooLarge { limit });
        }
        let mut tags = manifest.extra_tags;
        let digest = match manifest.reference {
            ManifestReference::Tag(tag) => {
                tags.insert(0, tag);
                digest_of(Algorithm::Sha256, &manifest.bytes)
            }
            ManifestReference::Digest(expected) => {
                let found = digest_of(expected.algorithm(), &manifest.bytes);
                if found != expected {
                    let found = found.into();
                    return Err(PutManifestError::DigestMismatch { expected, found });
                }
                found
            }
        };
        let sent = manifest.media_type.as_deref().map(without_parameters);
        let described = describe(sent, &manifest.bytes)?;
        let now = self.clock().now();
        let push = Push {
            repository: repository.clone(),
            digest,
            bytes: manifest.bytes,
            tags: tags.clone(),
            now,
            lease: now + milliseconds(self.options().manifest_lease),
            who: manifest.who,
        };
        let subject = described.subject;
        let has_layers = !described.layers.is_empty();
        let stored = self
            .database()
            .write(move |transaction| store(transaction, &push, &described));
        stored.await?;
        for tag in &tags {
            self.forget_manifest(repository, ManifestReference::Tag(tag.clone()));
        }
        self.forget_manifest(repository, ManifestReference::Digest(digest));
        if has_layers {
            self.0.indexing.notify_one();
        }
        Ok(Stored {
            digest,
            subject,
            tags,
        })
    }

    /// A manifest by tag or digest; nothing if the repository does not have it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &ManifestReference,
    ) -> Result<Option<Arc<StoredManifest>>, ContentError> {
        let key = (repository.clone(), reference.clone());
        if let Some(manifest) = self.0.manifests.get(&key) {
            return Ok(Some(manifest));
        }
        let ticket = self.0.manifests.ticket(&key);
        let (name, wanted) = key.clone();
        let found = self
            .database()
            .read(move |transaction| find(transaction, &name, &wanted));
        let found: Option<StoredManifest> = found.await.map_err(|error: DatabaseError| error)?;
        let found = found.map(Arc::new);
        if let Some(manifest) = &found {
            let weight = 512 + manifest.bytes.len();
            self.0
                .manifests
                .insert(ticket, key, Arc::clone(manifest), weight);
        }
        Ok(found)
    }
}

/// What is in the media type before its parameters.
fn without_parameters(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

fn find(
    transaction: &mut dyn Transaction,
    repository: &RepositoryName,
    reference: &ManifestReference,
) -> Result<Option<StoredManifest>, DatabaseError> {
    let (sql, by) = match reference {
        ManifestReference::Tag(tag) => (
            "SELECT m.digest, m.media_type, m.bytes FROM tag t JOIN manifest m \
             ON m.repository = t.repository AND m.digest = t.digest \
             WHERE t.repository = (SELECT id FROM repository WHERE name = $1) AND t.name = $2",
            tag.into(),
        ),
        ManifestReference::Digest(digest) => (
            "SELECT digest, media_type, bytes FROM manifest \
             WHERE repository = (SELECT id FROM repository WHERE name = $1) AND digest = $2",
            digest.into(),
        ),
    };
    let row = transaction.first(sql, &[repository.into(), by])?;
    let Some(mut row) = row else {
        return Ok(None);
    };
    Ok(Some(StoredManifest {
        digest: row.get(0)?,
        media_type: row.take(1)?,
        bytes: row.take::<Vec<u8>>(2)?.into(),
    }))
}

/// All that the transaction needs.
struct Push {
    repository: RepositoryName,
    digest: Digest,
    bytes: Bytes,
    tags: Vec<Tag>,
    now: i64,
    lease: i64,
    who: String,
}

fn store(
    transaction: &mut dyn Transaction,
    push: &Push,
    described: &Described,
) -> Result<(), PutManifestError> {
    let id = ensure_repository(transaction, &push.repository, push.now)?;
    check_needs(transaction, id, described)?;
    insert(transaction, id, push, described)?;
    for tag in &push.tags {
        let change = Change {
            repository: id,
            tag,
            digest: Some(&push.digest),
            now: push.now,
            lease: push.lease,
            who: &push.who,
        };
        let repository = &push.repository;
        move_tag(transaction, &change, |transaction| {
            match rules::keeping(transaction, repository, tag)? {
                Some(rule) => Err(PutManifestError::TagImmutable {
                    tag: tag.clone(),
                    rule: rule.to_string(),
                }),
                None => Ok(()),
            }
        })?;
    }
    Ok(())
}

/// Everything that a manifest names is in its repository, and the blobs have the sizes that it says:
/// so every client that can read it can pull it.
fn check_needs(
    transaction: &mut dyn Transaction,
    repository: i64,
    described: &Described,
) -> Result<(), PutManifestError> {
    let mut missing = vec![];
    for (digest, size) in &described.blobs {
        let sql = "SELECT b.size FROM repository_blob rb JOIN blob b ON b.digest = rb.digest \
                   WHERE rb.repository = $1 AND rb.digest = $2 AND b.damaged IS NULL";
        let row = transaction.first(sql, &[repository.into(), digest.into()])?;
        match row.map(|row| row.get::<u64>(0)).transpose()? {
            None => missing.push(*digest),
            Some(found) if found != *size => {
                let reason = format!("{digest} has {found} bytes, not {size}");
                return Err(PutManifestError::Invalid { reason });
            }
            Some(_) => {}
        }
    }
    for digest in &described.manifests {
        let sql = "SELECT 1 FROM manifest WHERE repository = $1 AND digest = $2";
        if transaction
            .first(sql, &[repository.into(), digest.into()])?
            .is_none()
        {
            missing.push(*digest);
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(PutManifestError::Unknown { missing }),
    }
}

fn insert(
    transaction: &mut dyn Transaction,
    repository: i64,
    push: &Push,
    described: &Described,
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO manifest (repository, digest, media_type, artifact_type, subject, \
               annotations, bytes, lease, pushed, pushed_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
               ON CONFLICT (repository, digest) DO UPDATE SET lease = excluded.lease, \
               media_type = excluded.media_type, bytes = excluded.bytes";
    let parameters = [
        repository.into(),
        (&push.digest).into(),
        described.media_type.as_str().into(),
        described.artifact_type.as_deref().into(),
        described.subject.into(),
        described.annotations.as_deref().into(),
        push.bytes[..].into(),
        push.lease.into(),
        push.now.into(),
        push.who.as_str().into(),
    ];
    transaction.execute(sql, &parameters)?;
    let blobs = described.blobs.iter().map(|(digest, _)| (0_i64, digest));
    let manifests = described.manifests.iter().map(|digest| (1_i64, digest));
    for (kind, digest) in blobs.chain(manifests) {
        let sql = "INSERT INTO manifest_needs (repository, manifest, kind, digest) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let parameters = [
            repository.into(),
            (&push.digest).into(),
            kind.into(),
            digest.into(),
        ];
        transaction.execute(sql, &parameters)?;
    }
    for layer in &described.layers {
        let sql = "INSERT INTO layer_index (digest, state, schema_version, changed) \
                   VALUES ($1, 'pending', $2, $3) ON CONFLICT DO NOTHING";
        let schema = i64::from(kiln_layer::SCHEMA);
        transaction.execute(sql, &[layer.into(), schema.into(), push.now.into()])?;
    }
    Ok(())
}
