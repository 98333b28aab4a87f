//! Statements that several operations share.

use kiln_oci::Digest;

use crate::database::{DatabaseError, Transaction};
use crate::name::RepositoryName;

/// The number of a repository, if it is there.
pub(crate) fn repository(
    transaction: &mut dyn Transaction,
    name: &RepositoryName,
) -> Result<Option<i64>, DatabaseError> {
    let sql = "SELECT id FROM repository WHERE name = $1";
    let row = transaction.first(sql, &[name.into()])?;
    row.map(|row| row.get(0)).transpose()
}

/// The number of a repository, which is made if it is not there.
pub(crate) fn ensure_repository(
    transaction: &mut dyn Transaction,
    name: &RepositoryName,
    now: i64,
) -> Result<i64, DatabaseError> {
    if let Some(id) = repository(transaction, name)? {
        return Ok(id);
    }
    let sql = "INSERT INTO repository (name, project, created) VALUES ($1, $2, $3) RETURNING id";
    let parameters = [name.into(), name.project().into(), now.into()];
    let row = transaction.first(sql, &parameters)?;
    row.expect("because RETURNING gives the row that was inserted")
        .get(0)
}

/// Lets a blob be read in a repository and keeps it there until `lease`.
pub(crate) fn link_blob(
    transaction: &mut dyn Transaction,
    repository: i64,
    digest: &Digest,
    lease: i64,
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO repository_blob (repository, digest, lease) VALUES ($1, $2, $3) \
               ON CONFLICT (repository, digest) DO UPDATE SET lease = \
               CASE WHEN excluded.lease > repository_blob.lease THEN excluded.lease \
               ELSE repository_blob.lease END";
    transaction.execute(sql, &[repository.into(), digest.into(), lease.into()])?;
    Ok(())
}

/// Says that an object is to be removed.
pub(crate) fn discard_object(
    transaction: &mut dyn Transaction,
    object: &str,
    due: i64,
) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO garbage (object, due) VALUES ($1, $2) ON CONFLICT (object) DO NOTHING";
    transaction.execute(sql, &[object.into(), due.into()])?;
    Ok(())
}
