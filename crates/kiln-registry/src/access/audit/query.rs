//! Reading the audit log: newest first, by pages that begin where the last one ended.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use super::event::{ActorKind, Outcome};
use crate::database::{DatabaseError, Row, Transaction, Value};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its number; later lines have higher ones.
    pub id: i64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The account's name; empty for nobody.
    pub actor: String,
    /// What kind of account.
    pub actor_kind: ActorKind,
    /// From which address; empty for the server itself.
    pub address: String,
    /// What was done or asked for.
    #[schema(example = "create-robot")]
    pub action: String,
    /// How it went.
    pub outcome: Outcome,
    /// The project, if it belongs to one.
    pub project: Option<String>,
    /// To what.
    #[schema(example = "team/app:1.2")]
    pub subject: String,
    /// More, by name.
    #[schema(value_type = Object)]
    pub detail: Map<String, Json>,
    /// How often: refusals that repeat are counted.
    pub count: i64,
}

/// A part of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The lines, the newest first.
    pub items: Vec<AuditEntry>,
    /// Give this as `after` to get the next part. Absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which lines are wanted; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this project.
    pub project: Option<String>,
    /// By this account.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Not before, in milliseconds since 1970.
    pub since: Option<i64>,
    /// Before, in milliseconds since 1970.
    pub until: Option<i64>,
}

/// Reads at most `limit` lines with a number below `after`. Never counts, and never skips rows by their number:
/// page one thousand costs what page one does.
pub(crate) fn entries(
    transaction: &mut dyn Transaction,
    filter: &AuditFilter,
    limit: usize,
    after: Option<i64>,
) -> Result<AuditPage, DatabaseError> {
    let mut sql = "SELECT id, at, actor, actor_kind, address, action, outcome, project, subject, detail, count \
                   FROM audit WHERE id < $1"
        .to_owned();
    let mut parameters: Vec<Value> = vec![after.unwrap_or(i64::MAX).into()];
    let mut also = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            parameters.push(value);
            sql.push_str(&format!(" AND {condition} ${}", parameters.len()));
        }
    };
    also("project =", filter.project.as_ref().map(Value::from));
    also("actor =", filter.actor.as_ref().map(Value::from));
    also("action =", filter.action.as_ref().map(Value::from));
    also(
        "outcome =",
        filter.outcome.map(|outcome| outcome.name().into()),
    );
    also("at >=", filter.since.map(Value::from));
    also("at <", filter.until.map(Value::from));
    parameters.push(i64::try_from(limit + 1).unwrap_or(i64::MAX).into());
    sql.push_str(&format!(" ORDER BY id DESC LIMIT ${}", parameters.len()));
    let rows = transaction.query(&sql, &parameters)?;
    let mut items = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    Ok(AuditPage { items, next })
}

/// Drops lines from before `before`, at most `limit`; tells how many.
pub(crate) fn forget(
    transaction: &mut dyn Transaction,
    before: i64,
    limit: i64,
) -> Result<u64, DatabaseError> {
    transaction.execute(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)",
        &[before.into(), limit.into()],
    )
}

fn entry(row: &Row) -> Result<AuditEntry, DatabaseError> {
    let detail: String = row.get(9)?;
    Ok(AuditEntry {
        id: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        actor_kind: ActorKind::parse(&row.get::<String>(3)?),
        address: row.get(4)?,
        action: row.get(5)?,
        outcome: Outcome::parse(&row.get::<String>(6)?),
        project: row.get(7)?,
        subject: row.get(8)?,
        // What kiln wrote is an object; a foreign row is shown without details.
        detail: serde_json::from_str(&detail).unwrap_or_default(),
        count: row.get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Actor, Event, record};
    use super::*;
    use crate::database::Database;

    fn write(
        transaction: &mut dyn Transaction,
        at: i64,
        project: &str,
    ) -> Result<(), DatabaseError> {
        let event = Event::new(
            at,
            Actor::system(),
            "push",
            Outcome::Done,
            Some(project),
            at.to_string(),
        );
        record(transaction, &event.with("n", at))
    }

    #[tokio::test]
    async fn pages_join_without_gap_while_lines_are_added() {
        let directory = kiln_testkit::TempDir::new();
        let database = Database::open_sqlite(&directory.join("db")).unwrap();
        database
            .write(|t| {
                (0..10).try_for_each(|at| write(t, at, if at % 2 == 0 { "even" } else { "odd" }))
            })
            .await
            .unwrap();
        let page = |filter: AuditFilter, after: Option<i64>| {
            let database = database.clone();
            async move {
                database
                    .read(move |t| entries(t, &filter, 3, after))
                    .await
                    .unwrap()
            }
        };
        let mut seen = vec![];
        let mut after = None;
        loop {
            let part = page(AuditFilter::default(), after).await;
            seen.extend(part.items.iter().map(|entry| entry.at));
            database.write(|t| write(t, 99, "odd")).await.unwrap();
            match part.next {
                Some(next) => after = Some(next.parse().unwrap()),
                None => break,
            }
        }
        assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        let filter = AuditFilter {
            project: Some("even".into()),
            since: Some(2),
            until: Some(7),
            actor: Some("kiln".into()),
            action: Some("push".into()),
            outcome: Some(Outcome::Done),
        };
        let part = page(filter, None).await;
        assert_eq!(
            part.items.iter().map(|entry| entry.at).collect::<Vec<_>>(),
            [6, 4, 2]
        );
        assert_eq!(
            (part.next, part.items[0].detail["n"].as_i64()),
            (None, Some(6))
        );
    }

    #[tokio::test]
    async fn old_lines_go_in_bounded_steps() {
        let directory = kiln_testkit::TempDir::new();
        let database = Database::open_sqlite(&directory.join("db")).unwrap();
        let gone = database.write(|t| -> Result<_, DatabaseError> {
            (0..10).try_for_each(|at| write(t, at, "p"))?;
            Ok([forget(t, 8, 5)?, forget(t, 8, 5)?, forget(t, 8, 5)?])
        });
        assert_eq!(gone.await.unwrap(), [5, 3, 0]);
    }
}
