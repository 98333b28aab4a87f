//! Manifests that nothing keeps: no tag, no index, no subject that is there, no lease.

use kiln_oci::Digest;

use super::{Collected, PAGE};
use crate::content::{Content, ContentError, remove_manifest};
use crate::database::{DatabaseError, Transaction};
use crate::name::{ManifestReference, RepositoryName};

/// What must hold for a manifest `m` to go at the time `$1`.
pub(super) const UNNEEDED: &str = "m.lease < $1 \
    AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.repository = m.repository AND t.digest = m.digest) \
    AND NOT EXISTS (SELECT 1 FROM manifest_needs n WHERE n.repository = m.repository \
    AND n.digest = m.digest AND n.kind = 1) \
    AND (m.subject IS NULL OR NOT EXISTS (SELECT 1 FROM manifest s \
    WHERE s.repository = m.repository AND s.digest = m.subject))";

/// A manifest by its key.
type Candidate = (i64, RepositoryName, Digest);

/// Removes what is unneeded now; what only that kept has to wait for the next call.
pub(super) async fn remove_unneeded(
    content: &Content,
    collected: &mut Collected,
) -> Result<u64, ContentError> {
    let now = content.clock().now();
    let mut after = (0, String::new());
    let mut removed = 0;
    loop {
        let from = after.clone();
        let page = content
            .database()
            .read(move |transaction| candidates(transaction, now, from));
        let page: Vec<Candidate> = page.await.map_err(|error: DatabaseError| error)?;
        let Some((repository, _, digest)) = page.last() else {
            collected.manifests += removed;
            return Ok(removed);
        };
        after = (*repository, digest.to_string());
        let gone = content.database().write_relaxed(move |transaction| {
            let mut gone = vec![];
            for candidate in page {
                if remove(transaction, &candidate, now)? {
                    gone.push(candidate);
                }
            }
            Ok::<_, DatabaseError>(gone)
        });
        let gone = gone.await?;
        removed += gone.len() as u64;
        for (_, name, digest) in gone {
            content.forget_manifest(&name, ManifestReference::Digest(digest));
        }
    }
}

fn candidates(
    transaction: &mut dyn Transaction,
    now: i64,
    (repository, digest): (i64, String),
) -> Result<Vec<Candidate>, DatabaseError> {
    let sql = format!(
        "SELECT m.repository, r.name, m.digest FROM manifest m \
         JOIN repository r ON r.id = m.repository \
         WHERE {UNNEEDED} AND (m.repository, m.digest) > ($2, $3) \
         ORDER BY m.repository, m.digest LIMIT $4"
    );
    let parameters = [now.into(), repository.into(), digest.into(), PAGE.into()];
    let rows = transaction.query(&sql, &parameters)?;
    let candidate = |row: &crate::database::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    rows.iter().map(candidate).collect()
}

fn remove(
    transaction: &mut dyn Transaction,
    (repository, _, digest): &Candidate,
    now: i64,
) -> Result<bool, DatabaseError> {
    let sql = format!(
        "SELECT 1 FROM manifest m WHERE {UNNEEDED} AND m.repository = $2 AND m.digest = $3"
    );
    let key = [now.into(), (*repository).into(), digest.into()];
    if transaction.first(&sql, &key)?.is_none() {
        return Ok(false);
    }
    remove_manifest(transaction, *repository, digest)?;
    Ok(true)
}
