//! Blobs that no manifest of a repository names and no lease holds.

use super::{Candidate, Collected, candidates};
use crate::clock::milliseconds;
use crate::content::{Content, ContentError, drop_unlinked};
use crate::database::{DatabaseError, Transaction};

/// What must hold for a link `c` to go at the time `$1`.
const UNNEEDED: &str = "c.lease < $1 AND NOT EXISTS (SELECT 1 FROM manifest_needs n \
    WHERE n.repository = c.repository AND n.digest = c.digest AND n.kind = 0)";

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
        let page = content.database().read(move |transaction| {
            candidates(transaction, "repository_blob", UNNEEDED, now, from)
        });
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

/// Removes a link if it is still unneeded. Returns the bytes of the blob that went with it, if any.
fn remove(
    transaction: &mut dyn Transaction,
    (repository, _, digest): &Candidate,
    now: i64,
    due: i64,
) -> Result<Option<Option<u64>>, DatabaseError> {
    let sql = format!(
        "DELETE FROM repository_blob AS c \
         WHERE {UNNEEDED} AND c.repository = $2 AND c.digest = $3"
    );
    let key = [now.into(), (*repository).into(), digest.into()];
    match transaction.execute(&sql, &key)? {
        0 => Ok(None),
        _ => drop_unlinked(transaction, digest, due).map(Some),
    }
}
