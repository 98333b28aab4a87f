//! Blobs that no manifest of a repository names and no lease holds.

use kiln_oci::Digest;

use super::{Collected, PAGE};
use crate::clock::milliseconds;
use crate::content::{Content, ContentError, drop_unlinked};
use crate::database::{DatabaseError, Row, Transaction};
use crate::name::RepositoryName;

/// What must hold for a link `rb` to go at the time `$1`.
const UNNEEDED: &str = "rb.lease < $1 AND NOT EXISTS (SELECT 1 FROM manifest_needs n \
    WHERE n.repository = rb.repository AND n.digest = rb.digest AND n.kind = 0)";

/// A blob of a repository.
type Candidate = (i64, RepositoryName, Digest);

/// Takes unneeded blobs out of their repositories, and away where no repository has them any more.
pub(super) async fn remove_unneeded(
    content: &Content,
    collected: &mut Collected,
) -> Result<(), ContentError> {
    let now = content.clock().now();
    let due = now + milliseconds(content.options().reading_patience);
    let mut after = (0, String::new());
    loop {
        let from = after.clone();
        let page = content
            .database()
            .read(move |transaction| candidates(transaction, now, from));
        let page: Vec<Candidate> = page.await.map_err(|error: DatabaseError| error)?;
        let Some((repository, _, digest)) = page.last() else {
            return Ok(());
        };
        after = (*repository, digest.to_string());
        // On disk before the objects go: a row that a power cut brought back would have none.
        let gone = content.database().write(move |transaction| {
            let mut gone = vec![];
            for candidate in page {
                if let Some(freed) = remove(transaction, &candidate, now, due)? {
                    gone.push((candidate, freed));
                }
            }
            Ok::<_, DatabaseError>(gone)
        });
        for ((_, name, digest), freed) in gone.await? {
            content.forget_blob(&name, digest);
            collected.links += 1;
            if let Some(bytes) = freed {
                collected.blobs += 1;
                collected.bytes += bytes;
            }
        }
    }
}

fn candidates(
    transaction: &mut dyn Transaction,
    now: i64,
    (repository, digest): (i64, String),
) -> Result<Vec<Candidate>, DatabaseError> {
    let sql = format!(
        "SELECT rb.repository, r.name, rb.digest FROM repository_blob rb \
         JOIN repository r ON r.id = rb.repository \
         WHERE {UNNEEDED} AND (rb.repository, rb.digest) > ($2, $3) \
         ORDER BY rb.repository, rb.digest LIMIT $4"
    );
    let parameters = [now.into(), repository.into(), digest.into(), PAGE.into()];
    let rows = transaction.query(&sql, &parameters)?;
    let candidate = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    rows.iter().map(candidate).collect()
}

/// Removes a link if it is still unneeded. Returns the bytes of the blob that went with it, if any.
fn remove(
    transaction: &mut dyn Transaction,
    (repository, _, digest): &Candidate,
    now: i64,
    due: i64,
) -> Result<Option<Option<u64>>, DatabaseError> {
    let sql = format!(
        "DELETE FROM repository_blob AS rb \
         WHERE {UNNEEDED} AND rb.repository = $2 AND rb.digest = $3"
    );
    let key = [now.into(), (*repository).into(), digest.into()];
    match transaction.execute(&sql, &key)? {
        0 => Ok(None),
        _ => drop_unlinked(transaction, digest, due).map(Some),
    }
}
