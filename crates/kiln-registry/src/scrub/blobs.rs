//! Blobs: read to the end, hashed, and marked by what was found.

use std::time::{Duration, Instant};

use kiln_oci::{Digest, Hasher};

use super::{Finding, ScrubOptions, Scrubbed};
use crate::clock::milliseconds;
use crate::content::{BlobPlace, Content, ContentError, place};
use crate::database::{DatabaseError, Row};
use crate::name::RepositoryName;
use crate::storage::READ_BLOCK;

const PAGE: i64 = 64;

struct Blob {
    digest: Digest,
    size: u64,
    place: BlobPlace,
    damaged: bool,
}

impl Blob {
    fn of(mut row: Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            digest: row.get(0)?,
            size: row.get(1)?,
            place: place(&mut row, 2, 3)?,
            damaged: row.get::<Option<i64>>(4)?.is_some(),
        })
    }
}

pub(super) async fn check(
    content: &Content,
    options: &ScrubOptions,
    scrubbed: &mut Scrubbed,
) -> Result<(), ContentError> {
    let before = content.clock().now() - milliseconds(options.not_within);
    let mut pace = Pace::new(options.bytes_per_second);
    let mut after = String::new();
    loop {
        let from = after.clone();
        let page = content.database().read(move |transaction| {
            let sql = "SELECT digest, size, object, data, damaged FROM blob \
                       WHERE digest > $1 AND checked <= $2 ORDER BY digest LIMIT $3";
            let rows = transaction.query(sql, &[from.into(), before.into(), PAGE.into()])?;
            rows.into_iter().map(Blob::of).collect()
        });
        let page: Vec<Blob> = page.await.map_err(|error: DatabaseError| error)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.digest.to_string();
        for blob in page {
            check_one(content, &blob, &mut pace, scrubbed).await?;
        }
    }
}

async fn check_one(
    content: &Content,
    blob: &Blob,
    pace: &mut Pace,
    scrubbed: &mut Scrubbed,
) -> Result<(), ContentError> {
    let found = hash(content, blob, pace, scrubbed).await?;
    scrubbed.blobs += 1;
    let is_well = found == Some(blob.digest);
    let changed = mark(content, blob, is_well).await?;
    // Collected, or pushed anew, while it was read.
    if !changed {
        return Ok(());
    }
    match found {
        Some(_) if is_well => scrubbed.healed += u64::from(blob.damaged),
        Some(found) => scrubbed.findings.push(Finding::Damaged {
            blob: blob.digest,
            found,
        }),
        None => scrubbed
            .findings
            .push(Finding::Missing { blob: blob.digest }),
    }
    Ok(())
}

/// The digest of what is there; nothing if nothing is.
async fn hash(
    content: &Content,
    blob: &Blob,
    pace: &mut Pace,
    scrubbed: &mut Scrubbed,
) -> Result<Option<Digest>, ContentError> {
    let Some(open) = content.open_place(&blob.place, blob.size).await? else {
        return Ok(None);
    };
    let mut hasher = Hasher::new(blob.digest.algorithm());
    let mut offset = 0;
    loop {
        // To the end of what is there, which may be more than there should be.
        let bytes = open.read_at(offset, READ_BLOCK).await?;
        if bytes.is_empty() {
            break;
        }
        offset += bytes.len() as u64;
        scrubbed.bytes += bytes.len() as u64;
        hasher.update(&bytes);
        pace.keep(bytes.len()).await;
    }
    Ok(Some(hasher.finish()))
}

/// Writes down what was found, if the blob is still in the place that was read. Tells whether it is.
async fn mark(content: &Content, blob: &Blob, is_well: bool) -> Result<bool, ContentError> {
    let now = content.clock().now();
    let digest = blob.digest;
    let object = match &blob.place {
        BlobPlace::Row(_) => String::new(),
        BlobPlace::Object(key) => key.to_string(),
    };
    let marked = content.database().write_relaxed(move |transaction| {
        let damaged = (!is_well).then_some(now);
        let sql = "UPDATE blob SET checked = $2, damaged = $3 \
                   WHERE digest = $1 AND COALESCE(object, '') = $4";
        let parameters = [digest.into(), now.into(), damaged.into(), object.into()];
        if transaction.execute(sql, &parameters)? == 0 {
            return Ok(None);
        }
        let sql = "SELECT r.name FROM repository_blob rb JOIN repository r \
                   ON r.id = rb.repository WHERE rb.digest = $1";
        let rows = transaction.query(sql, &[digest.into()])?;
        let names: Result<Vec<RepositoryName>, _> = rows.iter().map(|row| row.get(0)).collect();
        names.map(Some)
    });
    let names = marked.await.map_err(|error: DatabaseError| error)?;
    // Only what changed has to be read again.
    if blob.damaged || !is_well {
        for name in names.iter().flatten() {
            content.forget_blob(name, digest);
        }
    }
    Ok(names.is_some())
}

/// Keeps to a number of bytes in a second.
struct Pace {
    rate: Option<u64>,
    begin: Instant,
    bytes: u64,
}

impl Pace {
    fn new(rate: Option<u64>) -> Self {
        Self {
            rate: rate.filter(|rate| *rate > 0),
            begin: Instant::now(),
            bytes: 0,
        }
    }

    async fn keep(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        let Some(rate) = self.rate else {
            return;
        };
        let due = Duration::from_secs_f64(self.bytes as f64 / rate as f64);
        let early = due.saturating_sub(self.begin.elapsed());
        if !early.is_zero() {
            tokio::time::sleep(early).await;
        }
    }
}
