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

use crate::clock::milliseconds;
use crate::content::{Content, ContentError};
use crate::database::DatabaseError;

/// Rows that are read, and rows that are removed, in one go.
const PAGE: i64 = 256;

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

    /// Collects again and again, a time of `pause` after each end, and tells `report` about each. It
    /// never returns: it is to be dropped.
    pub async fn collect_forever(
        &self,
        pause: Duration,
        mut report: impl FnMut(Result<Collected, ContentError>),
    ) {
        loop {
            tokio::time::sleep(pause).await;
            report(self.collect().await);
        }
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
