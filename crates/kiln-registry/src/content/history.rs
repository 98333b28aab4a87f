//! Tags that move: every change is kept, and can be undone while the manifest is there.

use kiln_oci::Digest;

use super::records::repository;
use super::{Content, ContentError, TagError, rules};
use crate::clock::milliseconds;
use crate::database::{DatabaseError, Row, Transaction};
use crate::name::{ManifestReference, RepositoryName, Tag};

/// A change of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagChange {
    /// Its number; later changes have higher ones.
    pub id: i64,
    /// The tag.
    pub tag: Tag,
    /// What it pointed to afterwards; nothing if it was deleted.
    pub digest: Option<Digest>,
    /// What it pointed to before; nothing if it was new.
    pub previous: Option<Digest>,
    /// When, in milliseconds since 1970.
    pub changed: i64,
    /// Who did it.
    pub changed_by: String,
}

/// A change to be made.
pub(super) struct Change<'a> {
    pub(super) repository: i64,
    pub(super) tag: &'a Tag,
    /// What it is to point to; nothing to delete it.
    pub(super) digest: Option<&'a Digest>,
    pub(super) now: i64,
    /// How long the manifest stays that the tag leaves.
    pub(super) lease: i64,
    pub(super) who: &'a str,
}

/// Points a tag elsewhere or deletes it, and keeps the change. `allow` is asked before a tag that is
/// there is changed. Returns whether anything changed.
pub(super) fn move_tag<E: From<DatabaseError>>(
    transaction: &mut dyn Transaction,
    change: &Change<'_>,
    allow: impl FnOnce(&mut dyn Transaction) -> Result<(), E>,
) -> Result<bool, E> {
    let tag = [change.repository.into(), change.tag.into()];
    let sql = "SELECT digest FROM tag WHERE repository = $1 AND name = $2";
    let row = transaction.first(sql, &tag)?;
    let previous = row.map(|row| row.get::<Digest>(0)).transpose()?;
    if previous.as_ref() == change.digest {
        return Ok(false);
    }
    if let Some(previous) = &previous {
        allow(transaction)?;
        let sql = "UPDATE manifest SET lease = $3 WHERE repository = $1 AND digest = $2 \
                   AND lease < $3";
        let parameters = [
            change.repository.into(),
            previous.into(),
            change.lease.into(),
        ];
        transaction.execute(sql, &parameters)?;
    }
    match change.digest {
        Some(digest) => {
            let sql = "INSERT INTO tag (repository, name, digest, updated, updated_by) \
                       VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repository, name) DO UPDATE \
                       SET digest = excluded.digest, updated = excluded.updated, \
                       updated_by = excluded.updated_by";
            let parameters = [
                change.repository.into(),
                change.tag.into(),
                digest.into(),
                change.now.into(),
                change.who.into(),
            ];
            transaction.execute(sql, &parameters)?;
        }
        None => {
            let sql = "DELETE FROM tag WHERE repository = $1 AND name = $2";
            transaction.execute(sql, &tag)?;
        }
    }
    let sql = "INSERT INTO tag_history (repository, name, digest, previous, changed, changed_by) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let parameters = [
        change.repository.into(),
        change.tag.into(),
        change.digest.into(),
        previous.into(),
        change.now.into(),
        change.who.into(),
    ];
    transaction.execute(sql, &parameters)?;
    Ok(true)
}

impl TagChange {
    const COLUMNS: &str = "id, name, digest, previous, changed, changed_by";

    fn of(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.get(0)?,
            tag: row.get(1)?,
            digest: row.get(2)?,
            previous: row.get(3)?,
            changed: row.get(4)?,
            changed_by: row.get(5)?,
        })
    }
}

impl Content {
    /// Changes of one tag of a repository, or of all, the newest first: at most `n` of those that are
    /// older than the change `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tag_history(
        &self,
        repository: &RepositoryName,
        tag: Option<&Tag>,
        before: Option<i64>,
        n: usize,
    ) -> Result<Vec<TagChange>, ContentError> {
        let (name, tag) = (repository.clone(), tag.cloned());
        let before = before.unwrap_or(i64::MAX);
        let found = self.database().read(move |transaction| {
            let columns = TagChange::COLUMNS;
            let of_tag = match &tag {
                Some(_) => "AND name = $4",
                None => "",
            };
            let sql = format!(
                "SELECT {columns} FROM tag_history \
                 WHERE repository = (SELECT id FROM repository WHERE name = $1) \
                 AND id < $2 {of_tag} ORDER BY id DESC LIMIT $3"
            );
            let mut parameters = vec![(&name).into(), before.into(), (n as i64).into()];
            parameters.extend(tag.as_ref().map(Into::into));
            let rows = transaction.query(&sql, &parameters)?;
            rows.iter().map(TagChange::of).collect()
        });
        found.await.map_err(|error: DatabaseError| error.into())
    }

    /// Puts a tag back to what it was before the change `change`. That is itself a change, so it can be
    /// undone. Returns what the tag points to now; nothing if it is deleted, because it was new then.
    ///
    /// # Errors
    /// See [`TagError`].
    pub async fn undo_tag(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
        change: i64,
        who: &str,
    ) -> Result<Option<Digest>, TagError> {
        let (name, wanted, who) = (repository.clone(), tag.clone(), who.to_owned());
        let now = self.clock().now();
        let lease = now + milliseconds(self.options().manifest_lease);
        let undone = self.database().write(move |transaction| {
            let unknown = || TagError::UnknownChange {
                tag: wanted.clone(),
                change,
            };
            let id = self::repository(transaction, &name)?.ok_or_else(unknown)?;
            let sql = "SELECT previous FROM tag_history \
                       WHERE repository = $1 AND name = $2 AND id = $3";
            let parameters = [id.into(), (&wanted).into(), change.into()];
            let row = transaction.first(sql, &parameters)?.ok_or_else(unknown)?;
            let digest = row.get::<Option<Digest>>(0)?;
            if let Some(digest) = &digest {
                let sql = "SELECT 1 FROM manifest WHERE repository = $1 AND digest = $2";
                if transaction
                    .first(sql, &[id.into(), digest.into()])?
                    .is_none()
                {
                    return Err(TagError::Gone {
                        tag: wanted,
                        digest: *digest,
                    });
                }
            }
            let change = Change {
                repository: id,
                tag: &wanted,
                digest: digest.as_ref(),
                now,
                lease,
                who: &who,
            };
            move_tag(transaction, &change, |transaction| {
                match rules::keeping(transaction, &name, &wanted)? {
                    Some(rule) => Err(TagError::TagImmutable {
                        tag: wanted.clone(),
                        rule: rule.to_string(),
                    }),
                    None => Ok(()),
                }
            })?;
            Ok(digest)
        });
        let result = undone.await;
        self.forget_manifest(repository, ManifestReference::Tag(tag.clone()));
        result
    }
}
