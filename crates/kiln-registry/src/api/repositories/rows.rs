//! Lists with more columns than pulls need, straight from the tables of `content`.

use kiln_oci::Digest;

use super::super::ApiState;
use super::super::failure::Failure;
use super::TagEntry;
use crate::access::Page;
use crate::content::TagRule;
use crate::database::DatabaseError;
use crate::name::{RepositoryName, Tag};

/// Manifests that are listed at once.
const AT_ONCE: i64 = 1_000;

/// Some manifests of a repository, indexes and what refers to others first where the order of pushes tells: the
/// newest.
pub(super) async fn manifests(
    state: &ApiState,
    repository: &RepositoryName,
) -> Result<Vec<Digest>, Failure> {
    let name = repository.clone();
    let found = state.content.database().read(move |transaction| {
        let rows = transaction.query(
            "SELECT m.digest FROM manifest m JOIN repository r ON r.id = m.repository \
             WHERE r.name = $1 ORDER BY m.pushed DESC, m.digest LIMIT $2",
            &[(&name).into(), AT_ONCE.into()],
        )?;
        rows.iter().map(|row| row.get(0)).collect()
    });
    Ok(found.await.map_err(|error: DatabaseError| error)?)
}

/// Whether the repository is there.
pub(super) async fn exists(state: &ApiState, repository: &RepositoryName) -> Result<bool, Failure> {
    let name = repository.clone();
    let found = state.content.database().read(move |transaction| {
        let sql = "SELECT id FROM repository WHERE name = $1";
        transaction.first(sql, &[(&name).into()])
    });
    let found = found.await.map_err(|error: DatabaseError| error)?;
    Ok(found.is_some())
}

/// Tags of a repository after `after`; nothing if there is no such repository.
pub(super) async fn tags(
    state: &ApiState,
    repository: &RepositoryName,
    limit: usize,
    after: String,
) -> Result<Option<Page<TagEntry>>, Failure> {
    let name = repository.clone();
    let found = state.content.database().read(move |transaction| {
        let sql = "SELECT id FROM repository WHERE name = $1";
        let Some(row) = transaction.first(sql, &[(&name).into()])? else {
            return Ok(None);
        };
        let id: i64 = row.get(0)?;
        let more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let rows = transaction.query(
            "SELECT t.name, t.digest, m.media_type, t.updated, t.updated_by FROM tag t \
             JOIN manifest m ON m.repository = t.repository AND m.digest = t.digest \
             WHERE t.repository = $1 AND t.name > $2 ORDER BY t.name LIMIT $3",
            &[id.into(), after.into(), more.into()],
        )?;
        let entry = |row: &crate::database::Row| {
            Ok(TagEntry {
                name: row.get(0)?,
                digest: row.get(1)?,
                media_type: row.get(2)?,
                updated: row.get(3)?,
                updated_by: row.get(4)?,
            })
        };
        let page = Page::of(&rows, limit, entry, |tag: &TagEntry| &tag.name)?;
        Ok(Some(page))
    });
    Ok(found
        .await
        .map_err(|error: crate::access::AccessError| error)?)
}

/// The first tags of a project for which a rule would hold, as `repository:tag`, at most `most`; and whether all
/// tags of the project were looked at, of which there may be `looks` at most.
pub(in crate::api) async fn matching(
    state: &ApiState,
    rule: TagRule,
    most: usize,
    looks: usize,
) -> Result<(Vec<String>, bool), Failure> {
    let found = state.content.database().read(move |transaction| {
        let rows = transaction.query(
            "SELECT r.name, t.name FROM tag t JOIN repository r ON r.id = t.repository \
             WHERE r.project = $1 ORDER BY r.name, t.name LIMIT $2",
            &[
                (&rule.project).into(),
                i64::try_from(looks + 1).unwrap_or(i64::MAX).into(),
            ],
        )?;
        let mut held = vec![];
        let mut all = rows.len() <= looks;
        for row in rows.iter().take(looks) {
            let (repository, tag): (RepositoryName, Tag) = (row.get(0)?, row.get(1)?);
            if rule.holds_for(&repository, &tag) {
                if held.len() == most {
                    all = false;
                    break;
                }
                held.push(format!("{repository}:{tag}"));
            }
        }
        Ok((held, all))
    });
    Ok(found.await.map_err(|error: DatabaseError| error)?)
}
