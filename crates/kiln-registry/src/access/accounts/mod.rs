//! Accounts, tokens, projects and members as rows: what is read and what is changed, each change with its
//! event in the audit log.

pub(crate) mod projects;
pub(crate) mod robots;
pub(crate) mod tokens;
pub(crate) mod users;

use serde::{Deserialize, Serialize};

use super::audit::{Actor, Event, Outcome, record};
use super::error::{AccessError, Thing};
use crate::database::{Row, Transaction};

/// A part of a list, and where the next part begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Give this as `after` to get the next part. Absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of rows of which one more than `limit` was asked for. `key` is what the list is ordered by.
    pub(crate) fn of(
        rows: &[Row],
        limit: usize,
        entry: impl Fn(&Row) -> Result<T, AccessError>,
        key: impl Fn(&T) -> &str,
    ) -> Result<Self, AccessError> {
        let mut items = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| key(last).to_owned());
        Ok(Self { items, next })
    }
}

/// A limit as a parameter: one row more than asked for shows whether there is a next page.
pub(crate) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit + 1).unwrap_or(i64::MAX)
}

/// Who changes something, and when.
#[derive(Debug, Clone)]
pub(crate) struct By {
    pub(crate) actor: Actor,
    pub(crate) now: i64,
}

impl By {
    /// Writes that it was done.
    pub(crate) fn did(
        &self,
        transaction: &mut dyn Transaction,
        action: &str,
        project: Option<&str>,
        subject: &str,
        detail: &[(&str, serde_json::Value)],
    ) -> Result<(), AccessError> {
        let actor = self.actor.clone();
        let event = Event::new(self.now, actor, action, Outcome::Done, project, subject);
        let event = detail.iter().fold(event, |event, (name, value)| {
            event.with(name, value.clone())
        });
        Ok(record(transaction, &event)?)
    }
}

/// Fails when a user or robot account has this name: the two share their names, so that a log line says who.
pub(crate) fn name_is_free(
    transaction: &mut dyn Transaction,
    name: &str,
) -> Result<(), AccessError> {
    let row = transaction.first(
        "SELECT name FROM account_user WHERE name = $1 UNION SELECT name FROM account_robot WHERE name = $1",
        &[name.into()],
    )?;
    match row {
        None => Ok(()),
        Some(_) => Err(AccessError::Taken {
            thing: Thing::Account,
            name: name.to_owned(),
        }),
    }
}

/// Fails unless a statement changed a row.
pub(crate) fn must_be(changed: u64, thing: Thing, name: &str) -> Result<(), AccessError> {
    match changed {
        0 => Err(unknown(thing, name)),
        _ => Ok(()),
    }
}

pub(crate) fn unknown(thing: Thing, name: &str) -> AccessError {
    AccessError::Unknown {
        thing,
        name: name.to_owned(),
    }
}
