//! What a collection would remove, worked out without removing anything.

use std::collections::{HashMap, HashSet};

use kiln_oci::Digest;

use super::Collected;
use crate::clock::milliseconds;
use crate::content::{Content, ContentError};
use crate::database::{DatabaseError, Transaction};

type Key = (i64, Digest);

pub(super) async fn preview(content: &Content) -> Result<Collected, ContentError> {
    let now = content.clock().now();
    let touched = now - milliseconds(content.options().upload_patience);
    let epoch = content.storage().epoch().to_owned();
    let found = content.database().read(move |transaction| {
        let gone = manifests(transaction, now)?;
        let links = links(transaction, now, &gone)?;
        let mut found = Collected {
            manifests: gone.len() as u64,
            links: links.len() as u64,
            ..Collected::default()
        };
        count_blobs(transaction, &links, &mut found)?;
        let sql = "SELECT COUNT(*) FROM upload \
                   WHERE (touched < $1 OR epoch <> $2) AND claimed < $3";
        if let Some(row) = transaction.first(sql, &[touched.into(), epoch.into(), now.into()])? {
            found.uploads = row.get(0)?;
        }
        Ok(found)
    });
    found.await.map_err(|error: DatabaseError| error.into())
}

/// Manifests that would go, in as many rounds as a collection takes.
fn manifests(transaction: &mut dyn Transaction, now: i64) -> Result<HashSet<Key>, DatabaseError> {
    let sql = "SELECT m.repository, m.digest, m.subject FROM manifest m WHERE m.lease < $1 \
               AND NOT EXISTS (SELECT 1 FROM tag t \
               WHERE t.repository = m.repository AND t.digest = m.digest)";
    let mut candidates = vec![];
    for row in transaction.query(sql, &[now.into()])? {
        let (repository, digest): Key = (row.get(0)?, row.get(1)?);
        let sql = "SELECT manifest FROM manifest_needs \
                   WHERE repository = $1 AND digest = $2 AND kind = 1";
        let parents = transaction.query(sql, &[repository.into(), digest.into()])?;
        let mut keepers = vec![];
        for parent in parents {
            keepers.push((repository, parent.get(0)?));
        }
        if let Some(subject) = row.get::<Option<Digest>>(2)? {
            let sql = "SELECT 1 FROM manifest WHERE repository = $1 AND digest = $2";
            if transaction
                .first(sql, &[repository.into(), subject.into()])?
                .is_some()
            {
                keepers.push((repository, subject));
            }
        }
        candidates.push(((repository, digest), keepers));
    }
    let mut gone = HashSet::new();
    loop {
        let before = gone.len();
        for (key, keepers) in &candidates {
            if keepers.iter().all(|keeper| gone.contains(keeper)) {
                gone.insert(*key);
            }
        }
        if gone.len() == before {
            return Ok(gone);
        }
    }
}

/// Blobs that repositories would lose.
fn links(
    transaction: &mut dyn Transaction,
    now: i64,
    gone: &HashSet<Key>,
) -> Result<Vec<Key>, DatabaseError> {
    // Only what a manifest that would go names, or none: the rest stays anyway.
    let sql = "SELECT rb.repository, rb.digest, n.manifest FROM repository_blob rb \
               LEFT JOIN manifest_needs n ON n.repository = rb.repository \
               AND n.digest = rb.digest AND n.kind = 0 WHERE rb.lease < $1";
    let mut kept: HashMap<Key, bool> = HashMap::new();
    for row in transaction.query(sql, &[now.into()])? {
        let key: Key = (row.get(0)?, row.get(1)?);
        let by = row.get::<Option<Digest>>(2)?;
        let keeps = by.is_some_and(|manifest| !gone.contains(&(key.0, manifest)));
        *kept.entry(key).or_default() |= keeps;
    }
    let lost = kept.into_iter().filter(|(_, kept)| !kept);
    Ok(lost.map(|(key, _)| key).collect())
}

/// Counts the blobs that would be in no repository any more.
fn count_blobs(
    transaction: &mut dyn Transaction,
    links: &[Key],
    found: &mut Collected,
) -> Result<(), DatabaseError> {
    let mut lost: HashMap<Digest, u64> = HashMap::new();
    for (_, digest) in links {
        *lost.entry(*digest).or_default() += 1;
    }
    for (digest, times) in lost {
        let sql = "SELECT b.size, (SELECT COUNT(*) FROM repository_blob rb \
                   WHERE rb.digest = b.digest) FROM blob b WHERE b.digest = $1";
        let Some(row) = transaction.first(sql, &[digest.into()])? else {
            continue;
        };
        if row.get::<u64>(1)? == times {
            found.blobs += 1;
            found.bytes += row.get::<u64>(0)?;
        }
    }
    Ok(())
}
