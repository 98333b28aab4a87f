//! Deleting tags and manifests. What refers to a manifest goes with it.

use std::collections::HashSet;

use kiln_oci::Digest;

use super::blob::needed_by;
use super::history::{Change, move_tag};
use super::records::repository;
use super::{Content, DeleteError, rules};
use crate::clock::milliseconds;
use crate::database::{DatabaseError, Transaction};
use crate::name::{ManifestReference, RepositoryName, Tag};

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The manifest and all that referred to it, directly or not.
    pub manifests: Vec<Digest>,
    /// The tags that pointed to them.
    pub tags: Vec<Tag>,
}

impl Content {
    /// Deletes a tag. What it points to stays for
    /// [`manifest_lease`](super::ContentOptions::manifest_lease), so that this can be undone.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub async fn delete_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        who: &str,
    ) -> Result<(), DeleteError> {
        let (name, wanted, who) = (repository.clone(), tag.clone(), who.to_owned());
        let now = self.clock().now();
        let lease = now + milliseconds(self.options().manifest_lease);
        let deleted = self.database().write(move |transaction| {
            let unknown = || DeleteError::Unknown {
                what: format!("tag {wanted} in {name}"),
            };
            let id = self::repository(transaction, &name)?.ok_or_else(unknown)?;
            match remove_tag(transaction, &name, id, &wanted, (now, lease), &who)? {
                true => Ok(()),
                false => Err(unknown()),
            }
        });
        let result = deleted.await;
        self.forget_manifest(repository, ManifestReference::Tag(tag.clone()));
        result
    }

    /// Deletes a manifest with its tags, and everything that refers to it: signatures, SBOMs, what
    /// refers to those. An index that names it has to be deleted first.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub async fn delete_manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        who: &str,
    ) -> Result<Deleted, DeleteError> {
        let (name, wanted, who) = (repository.clone(), *digest, who.to_owned());
        let now = self.clock().now();
        let deleted = self.database().write(move |transaction| {
            let unknown = || DeleteError::Unknown {
                what: format!("manifest {wanted} in {name}"),
            };
            let id = self::repository(transaction, &name)?.ok_or_else(unknown)?;
            let going = with_referrers(transaction, id, &wanted)?;
            if going.is_empty() {
                return Err(unknown());
            }
            let mut deleted = Deleted::default();
            for digest in &going {
                refuse_if_needed(transaction, id, digest, &going)?;
                let tags = tags_of(transaction, id, digest)?;
                for tag in tags {
                    remove_tag(transaction, &name, id, &tag, (now, 0), &who)?;
                    deleted.tags.push(tag);
                }
            }
            for digest in &going {
                remove_manifest(transaction, id, digest)?;
            }
            deleted.manifests = going;
            Ok(deleted)
        });
        let deleted = deleted.await?;
        self.forget_deleted(repository, &deleted);
        Ok(deleted)
    }

    pub(crate) fn forget_deleted(&self, repository: &RepositoryName, deleted: &Deleted) {
        for digest in &deleted.manifests {
            self.forget_manifest(repository, ManifestReference::Digest(*digest));
        }
        for tag in &deleted.tags {
            self.forget_manifest(repository, ManifestReference::Tag(tag.clone()));
        }
    }
}

fn remove_tag(
    transaction: &mut dyn Transaction,
    name: &RepositoryName,
    repository: i64,
    tag: &Tag,
    (now, lease): (i64, i64),
    who: &str,
) -> Result<bool, DeleteError> {
    let change = Change {
        repository,
        tag,
        digest: None,
        now,
        lease,
        who,
    };
    move_tag(transaction, &change, |transaction| {
        match rules::keeping(transaction, name, tag)? {
            Some(rule) => Err(DeleteError::TagImmutable {
                tag: tag.clone(),
                rule: rule.to_string(),
            }),
            None => Ok(()),
        }
    })
}

fn tags_of(
    transaction: &mut dyn Transaction,
    repository: i64,
    digest: &Digest,
) -> Result<Vec<Tag>, DatabaseError> {
    let sql = "SELECT name FROM tag WHERE repository = $1 AND digest = $2 ORDER BY name";
    let rows = transaction.query(sql, &[repository.into(), digest.into()])?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// A manifest, what refers to it, what refers to that, and so on; nothing if it is not there.
pub(crate) fn with_referrers(
    transaction: &mut dyn Transaction,
    repository: i64,
    digest: &Digest,
) -> Result<Vec<Digest>, DatabaseError> {
    let sql = "SELECT 1 FROM manifest WHERE repository = $1 AND digest = $2";
    if transaction
        .first(sql, &[repository.into(), digest.into()])?
        .is_none()
    {
        return Ok(vec![]);
    }
    let mut found = vec![*digest];
    let mut seen = HashSet::from([*digest]);
    let mut next = 0;
    while let Some(subject) = found.get(next).copied() {
        next += 1;
        let sql = "SELECT digest FROM manifest WHERE repository = $1 AND subject = $2";
        for row in transaction.query(sql, &[repository.into(), subject.into()])? {
            let referrer = row.get(0)?;
            if seen.insert(referrer) {
                found.push(referrer);
            }
        }
    }
    Ok(found)
}

/// An index that stays must not lose what it names.
fn refuse_if_needed(
    transaction: &mut dyn Transaction,
    repository: i64,
    digest: &Digest,
    going: &[Digest],
) -> Result<(), DeleteError> {
    let Some(_) = needed_by(transaction, repository, digest, 1)? else {
        return Ok(());
    };
    let sql = "SELECT manifest FROM manifest_needs \
               WHERE repository = $1 AND digest = $2 AND kind = 1";
    for row in transaction.query(sql, &[repository.into(), digest.into()])? {
        let by = row.get(0)?;
        if !going.contains(&by) {
            return Err(DeleteError::Needed {
                digest: *digest,
                by: Box::new(by),
            });
        }
    }
    Ok(())
}

/// Removes a manifest's rows. Its blobs stay linked until their leases lapse, for collection.
pub(crate) fn remove_manifest(
    transaction: &mut dyn Transaction,
    repository: i64,
    digest: &Digest,
) -> Result<(), DatabaseError> {
    let key = [repository.into(), digest.into()];
    let sql = "DELETE FROM manifest_needs WHERE repository = $1 AND manifest = $2";
    transaction.execute(sql, &key)?;
    let sql = "DELETE FROM manifest WHERE repository = $1 AND digest = $2";
    transaction.execute(sql, &key)?;
    Ok(())
}
