//! Manifests that nothing keeps: no tag, no index, no subject that is there, no lease.

use super::{Candidate, Collected, candidates};
use crate::content::{Content, ContentError, remove_manifest};
use crate::database::{DatabaseError, Transaction};
use crate::name::ManifestReference;

/// What must hold for a manifest `c` to go at the time `$1`.
const UNNEEDED: &str = "c.lease < $1 \
    AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.repository = c.repository AND t.digest = c.digest) \
    AND NOT EXISTS (SELECT 1 FROM manifest_needs n WHERE n.repository = c.repository \
    AND n.digest = c.digest AND n.kind = 1) \
    AND (c.subject IS NULL OR NOT EXISTS (SELECT 1 FROM manifest s \
    WHERE s.repository = c.repository AND s.digest = c.subject))";

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
            .read(move |transaction| candidates(transaction, "manifest", UNNEEDED, now, from));
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

fn remove(
    transaction: &mut dyn Transaction,
    (repository, _, digest): &Candidate,
    now: i64,
) -> Result<bool, DatabaseError> {
    let sql = format!(
        "SELECT 1 FROM manifest c WHERE {UNNEEDED} AND c.repository = $2 AND c.digest = $3"
    );
    let key = [now.into(), (*repository).into(), digest.into()];
    if transaction.first(&sql, &key)?.is_none() {
        return Ok(false);
    }
    remove_manifest(transaction, *repository, digest)?;
    Ok(true)
}
