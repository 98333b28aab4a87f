//! Manifests, tags and needs: what leads nowhere, and what is not what it was.

use kiln_oci::{Digest, Hasher};

use super::{Finding, Scrubbed};
use crate::content::{Content, ContentError};
use crate::database::{DatabaseError, Row};
use crate::name::RepositoryName;

const PAGE: i64 = 64;

/// Hashes the bytes of every manifest.
pub(super) async fn check_manifests(
    content: &Content,
    scrubbed: &mut Scrubbed,
) -> Result<(), ContentError> {
    let mut after = (0, String::new());
    loop {
        let (repository, digest) = after.clone();
        let page = content.database().read(move |transaction| {
            let sql = "SELECT m.repository, m.digest, m.bytes, r.name FROM manifest m \
                       JOIN repository r ON r.id = m.repository \
                       WHERE (m.repository, m.digest) > ($1, $2) \
                       ORDER BY m.repository, m.digest LIMIT $3";
            transaction.query(sql, &[repository.into(), digest.into(), PAGE.into()])
        });
        let page: Vec<Row> = page.await.map_err(|error: DatabaseError| error)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = (last.get(0)?, last.get(1)?);
        for row in page {
            let manifest: Digest = row.get(1)?;
            let mut hasher = Hasher::new(manifest.algorithm());
            hasher.update(&row.get::<Vec<u8>>(2)?);
            scrubbed.manifests += 1;
            if hasher.finish() != manifest {
                scrubbed.findings.push(Finding::DamagedManifest {
                    repository: row.get(3)?,
                    manifest,
                });
            }
        }
    }
}

/// Looks for tags whose manifest is not there.
pub(super) async fn check_tags(
    content: &Content,
    scrubbed: &mut Scrubbed,
) -> Result<(), ContentError> {
    let sql = "SELECT r.name, t.name, t.digest FROM tag t JOIN repository r \
               ON r.id = t.repository WHERE NOT EXISTS (SELECT 1 FROM manifest m \
               WHERE m.repository = t.repository AND m.digest = t.digest) ORDER BY 1, 2";
    for row in rows(content, sql).await? {
        scrubbed.findings.push(Finding::DanglingTag {
            repository: row.get(0)?,
            tag: row.get(1)?,
            manifest: row.get(2)?,
        });
    }
    Ok(())
}

/// Looks for manifests that name what their repository does not have.
pub(super) async fn check_needs(
    content: &Content,
    scrubbed: &mut Scrubbed,
) -> Result<(), ContentError> {
    let missing_blobs = "SELECT r.name, n.manifest, n.digest FROM manifest_needs n \
        JOIN repository r ON r.id = n.repository WHERE n.kind = 0 AND NOT EXISTS \
        (SELECT 1 FROM repository_blob rb JOIN blob b ON b.digest = rb.digest \
        WHERE rb.repository = n.repository AND rb.digest = n.digest AND b.damaged IS NULL) \
        ORDER BY 1, 2, 3";
    let missing_manifests = "SELECT r.name, n.manifest, n.digest FROM manifest_needs n \
        JOIN repository r ON r.id = n.repository WHERE n.kind = 1 AND NOT EXISTS \
        (SELECT 1 FROM manifest m WHERE m.repository = n.repository AND m.digest = n.digest) \
        ORDER BY 1, 2, 3";
    for sql in [missing_blobs, missing_manifests] {
        for row in rows(content, sql).await? {
            let repository: RepositoryName = row.get(0)?;
            scrubbed.findings.push(Finding::Incomplete {
                repository,
                manifest: row.get(1)?,
                needs: row.get(2)?,
            });
        }
    }
    Ok(())
}

async fn rows(content: &Content, sql: &'static str) -> Result<Vec<Row>, ContentError> {
    let rows = content
        .database()
        .read(move |transaction| transaction.query(sql, &[]));
    rows.await.map_err(|error: DatabaseError| error.into())
}
