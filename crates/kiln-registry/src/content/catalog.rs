//! Lists in pages: tags of a repository, repositories.

use super::records::repository;
use super::{Content, ContentError};
use crate::database::{DatabaseError, FromValue, Row, Value};
use crate::name::{RepositoryName, Tag};

/// A part of a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of their bytes.
    pub items: Vec<T>,
    /// Whether more follow. The last item is where the next page begins.
    pub more: bool,
}

impl<T> Page<T> {
    /// From rows of which one more than `n` was asked for.
    pub(super) fn of(
        rows: Vec<Row>,
        n: usize,
        mut item: impl FnMut(Row) -> Result<T, DatabaseError>,
    ) -> Result<Self, DatabaseError> {
        let more = rows.len() > n;
        let items = rows.into_iter().take(n).map(&mut item);
        Ok(Self {
            items: items.collect::<Result<_, _>>()?,
            more,
        })
    }

    fn of_column(rows: Vec<Row>, n: usize) -> Result<Self, DatabaseError>
    where
        T: FromValue,
    {
        Self::of(rows, n, |mut row| row.take(0))
    }
}

/// One more than asked for, to see whether more follow.
pub(super) fn limit(n: usize) -> Value {
    let limit = i64::try_from(n).unwrap_or(i64::MAX);
    limit.saturating_add(1).into()
}

impl Content {
    /// The tags of a repository that come after `last`, which need not be one, at most `n`; nothing if
    /// there is no such repository.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tags(
        &self,
        repository: &RepositoryName,
        n: usize,
        last: Option<&str>,
    ) -> Result<Option<Page<Tag>>, ContentError> {
        let name = repository.clone();
        let last = last.unwrap_or_default().to_owned();
        let found = self.database().read(move |transaction| {
            let Some(id) = self::repository(transaction, &name)? else {
                return Ok(None);
            };
            if n == 0 {
                // The specification: an empty list, and nothing that follows.
                let (items, more) = (vec![], false);
                return Ok(Some(Page { items, more }));
            }
            let sql = "SELECT name FROM tag WHERE repository = $1 AND name > $2 \
                       ORDER BY name LIMIT $3";
            let rows = transaction.query(sql, &[id.into(), last.into(), limit(n)])?;
            Page::of_column(rows, n).map(Some)
        });
        found.await.map_err(|error: DatabaseError| error.into())
    }

    /// Repositories with manifests that come after `last`, at most `n`; with `projects`, only those of
    /// these projects.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn repositories(
        &self,
        projects: Option<Vec<String>>,
        n: usize,
        last: Option<&str>,
    ) -> Result<Page<RepositoryName>, ContentError> {
        if n == 0 || projects.as_ref().is_some_and(Vec::is_empty) {
            let (items, more) = (vec![], false);
            return Ok(Page { items, more });
        }
        let last = last.unwrap_or_default().to_owned();
        let found = self.database().read(move |transaction| {
            let mut parameters = vec![last.into(), limit(n)];
            let mut only = String::new();
            if let Some(projects) = projects {
                let numbers = (3..projects.len() + 3).map(|number| format!("${number}"));
                let numbers: Vec<String> = numbers.collect();
                only = format!("AND project IN ({})", numbers.join(", "));
                parameters.extend(projects.into_iter().map(Value::from));
            }
            let sql = format!(
                "SELECT name FROM repository r WHERE name > $1 {only} AND EXISTS \
                 (SELECT 1 FROM manifest m WHERE m.repository = r.id) ORDER BY name LIMIT $2"
            );
            let rows = transaction.query(&sql, &parameters)?;
            Page::of_column(rows, n)
        });
        found.await.map_err(|error: DatabaseError| error.into())
    }
}
