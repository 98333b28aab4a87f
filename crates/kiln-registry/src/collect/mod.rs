//! Collection: what nothing needs any more goes, beside pushes and pulls.
//!
//! Candidates are read in pages, without keeping anybody waiting. Each is then removed by one
//! statement that tests again, in the writer's transaction, that nothing needs it and no lease holds
//! it; so what a push began to count on meanwhile stays. Objects go last, after the commit that gave
//! them up, and a crash in between leaves a note of them. `docs/design/registry-content.md` has the
//! argument.

mod blobs;
mod manifests;
mod objects;
mod preview;

use std::time::Duration;

use kiln_oci::Digest;

use crate::clock::milliseconds;
use crate::content::{Content, ContentError};
use crate::database::{DatabaseError, Row, Transaction};
use crate::duty::on_duty;
use crate::name::RepositoryName;

/// Rows that are read, and rows that are removed, in one go.
const PAGE: i64 = 256;

/// What may go: a blob or a manifest of a repository, by its row's key.
type Candidate = (i64, RepositoryName, Digest);

/// A page of the rows `c` of `table` for which `condition` holds at the time `$1`, behind a key.
fn candidates(
    transaction: &mut dyn Transaction,
    table: &str,
    condition: &str,
    now: i64,
    (repository, digest): (i64, String),
) -> Result<Vec<Candidate>, DatabaseError> {
    let sql = format!(
        "SELECT c.repository, r.name, c.digest FROM {table} c \
         JOIN repository r ON r.id = c.repository \
         WHERE {condition} AND (c.repository, c.digest) > ($2, $3) \
         ORDER BY c.repository, c.digest LIMIT $4"
    );
    let parameters = [now.into(), repository.into(), digest.into(), PAGE.into()];
    let rows = transaction.query(&sql, &parameters)?;
    let candidate = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    rows.iter().map(candidate).collect()
}

/// What a collection removed, or would remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that no tag, index or subject kept.
    pub manifests: u64,
    /// Blobs that a repository no longer has.
    pub links: u64,
    /// Blobs that no repository has any more.
    pub blobs: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Uploads that were not continued.
    pub uploads: u64,
    /// Objects that were removed, also those that an earlier run or a crash left.
    pub objects: u64,
    /// Repositories that were empty.
    pub repositories: u64,
}

impl Content {
    /// Removes what nothing needs. It may run at any time, and twice at once.
    ///
    /// # Errors
    /// When the database or the storage fail; what was removed until then is removed.
    pub async fn collect(&self) -> Result<Collected, ContentError> {
        let mut collected = Collected::default();
        // First, so that a full disk has room for what follows.
        objects::remove_garbage(self, &mut collected).await?;
        objects::expire_uploads(self, &mut collected).await?;
        // An index keeps its manifests, and a subject its referrers: each round frees the next.
        while manifests::remove_unneeded(self, &mut collected).await? > 0 {}
        blobs::remove_unneeded(self, &mut collected).await?;
        objects::remove_garbage(self, &mut collected).await?;
        objects::remove_orphans(self, &mut collected).await?;
        collected.repositories += self.remove_empty_repositories().await?;
        Ok(collected)
    }

    /// What [`collect`](Self::collect) would remove now, without what crashes left behind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn preview_collection(&self) -> Result<Collected, ContentError> {
        preview::preview(self).await
    }

    /// Collects again and again, a time of `pause` after each end, and tells `report` about each. Of
    /// several servers that share a database one does it at a time. It never returns: it is to be
    /// dropped.
    pub async fn collect_forever(
        &self,
        pause: Duration,
        mut report: impl FnMut(Result<Collected, ContentError>),
    ) {
        loop {
            tokio::time::sleep(pause).await;
            match self.collect_in_turn(pause).await {
                Ok(Some(collected)) => report(Ok(collected)),
                Ok(None) => {}
                Err(error) => report(Err(error)),
            }
        }
    }

    /// Collects, unless another server that shares the database is collecting or has collected within
    /// `pause`: then nothing.
    ///
    /// # Errors
    /// The same as [`collect`](Self::collect).
    pub async fn collect_in_turn(
        &self,
        pause: Duration,
    ) -> Result<Option<Collected>, ContentError> {
        // All servers wait for as long; the half lets the next turn be anybody's.
        let collecting = on_duty(
            self.database(),
            self.clock(),
            "collection",
            pause / 2,
            self.collect(),
        );
        collecting.await?.transpose()
    }

    async fn remove_empty_repositories(&self) -> Result<u64, ContentError> {
        let now = self.clock().now();
        let before = now - milliseconds(self.options().blob_lease);
        let history = now - milliseconds(self.options().history);
        let removed = self.database().write_relaxed(move |transaction| {
            let sql = "DELETE FROM repository WHERE created < $1 \
                       AND NOT EXISTS (SELECT 1 FROM manifest m WHERE m.repository = repository.id) \
                       AND NOT EXISTS (SELECT 1 FROM repository_blob b \
                       WHERE b.repository = repository.id) RETURNING id";
            let rows = transaction.query(sql, &[before.into()])?;
            for row in &rows {
                let sql = "DELETE FROM tag_history WHERE repository = $1";
                transaction.execute(sql, &[row.get::<i64>(0)?.into()])?;
            }
            let sql = "DELETE FROM tag_history WHERE changed < $1";
            transaction.execute(sql, &[history.into()])?;
            Ok::<_, DatabaseError>(rows.len() as u64)
        });
        Ok(removed.await?)
    }
}
