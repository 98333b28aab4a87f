//! Users.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::caller::UserRecord;
use super::super::error::{AccessError, Thing};
use super::super::names::AccountName;
use super::super::password::StoredPassword;
use super::super::role::Role;
use super::super::secret::random_number;
use super::{By, Page, must_be, name_is_free, one_more, unknown};
use crate::database::{Row, Transaction, Value};

/// A person with an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The login name.
    #[schema(example = "alice")]
    pub name: String,
    /// Whether he may do everything everywhere.
    pub administrator: bool,
    /// Whether he cannot log in now.
    pub disabled: bool,
    /// When the account was made, in milliseconds since 1970.
    pub created: i64,
    /// By whom.
    pub created_by: String,
}

/// What of a user is changed; what is absent stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserChange {
    pub(crate) password: Option<StoredPassword>,
    pub(crate) administrator: Option<bool>,
    pub(crate) disabled: Option<bool>,
}

const COLUMNS: &str = "name, administrator, disabled, created, created_by";

fn user(row: &Row) -> Result<User, AccessError> {
    Ok(User {
        name: row.get(0)?,
        administrator: row.get(1)?,
        disabled: row.get(2)?,
        created: row.get(3)?,
        created_by: row.get(4)?,
    })
}

pub(crate) fn record(
    transaction: &mut dyn Transaction,
    name: &str,
) -> Result<Option<UserRecord>, AccessError> {
    let Some(row) = transaction.first(
        "SELECT password, administrator, disabled, epoch FROM account_user WHERE name = $1",
        &[name.into()],
    )?
    else {
        return Ok(None);
    };
    let mut roles = HashMap::new();
    let members = transaction.query(
        "SELECT project, role FROM project_member WHERE member = $1",
        &[name.into()],
    )?;
    for member in &members {
        // A word that this kiln does not know gives no right.
        if let Ok(role) = member.get::<String>(1)?.parse::<Role>() {
            roles.insert(member.get(0)?, role);
        }
    }
    Ok(Some(UserRecord {
        name: name.to_owned(),
        password: StoredPassword(row.get(0)?),
        administrator: row.get(1)?,
        disabled: row.get(2)?,
        epoch: row.get(3)?,
        roles,
    }))
}

pub(crate) fn list(
    transaction: &mut dyn Transaction,
    limit: usize,
    after: &str,
) -> Result<Page<User>, AccessError> {
    let rows = transaction.query(
        &format!("SELECT {COLUMNS} FROM account_user WHERE name > $1 ORDER BY name LIMIT $2"),
        &[after.into(), one_more(limit).into()],
    )?;
    Page::of(&rows, limit, user, |user| &user.name)
}

pub(crate) fn find(transaction: &mut dyn Transaction, name: &str) -> Result<User, AccessError> {
    let row = transaction.first(
        &format!("SELECT {COLUMNS} FROM account_user WHERE name = $1"),
        &[name.into()],
    )?;
    user(&row.ok_or_else(|| unknown(Thing::User, name))?)
}

/// Whether there is any user at all.
pub(crate) fn any(transaction: &mut dyn Transaction) -> Result<bool, AccessError> {
    Ok(transaction
        .first("SELECT name FROM account_user LIMIT 1", &[])?
        .is_some())
}

pub(crate) fn create(
    transaction: &mut dyn Transaction,
    name: &AccountName,
    password: &StoredPassword,
    administrator: bool,
    by: &By,
) -> Result<User, AccessError> {
    name_is_free(transaction, name.as_str())?;
    transaction.execute(
        "INSERT INTO account_user (name, password, administrator, disabled, epoch, created, created_by) \
         VALUES ($1, $2, $3, 0, $4, $5, $6)",
        &[
            name.as_str().into(),
            (&password.0).into(),
            administrator.into(),
            random_number()?.into(),
            by.now.into(),
            (&by.actor.name).into(),
        ],
    )?;
    let detail = [("administrator", json!(administrator))];
    by.did(transaction, "create-user", None, name.as_str(), &detail)?;
    find(transaction, name.as_str())
}

/// Changes a user. A new password, and being disabled, end what was handed out before: sessions by `docker
/// login` and bearer tokens. Personal tokens outlive a new password, as programs use them; they rest while
/// their user is disabled.
pub(crate) fn change(
    transaction: &mut dyn Transaction,
    name: &str,
    change: &UserChange,
    by: &By,
) -> Result<User, AccessError> {
    let before = find(transaction, name)?;
    let administrator = change.administrator.unwrap_or(before.administrator);
    let disabled = change.disabled.unwrap_or(before.disabled);
    if before.administrator && !before.disabled && (!administrator || disabled) {
        not_the_last(transaction, name)?;
    }
    transaction.execute(
        "UPDATE account_user SET administrator = $2, disabled = $3 WHERE name = $1",
        &[name.into(), administrator.into(), disabled.into()],
    )?;
    if let Some(password) = &change.password {
        transaction.execute(
            "UPDATE account_user SET password = $2 WHERE name = $1",
            &[name.into(), (&password.0).into()],
        )?;
    }
    if change.password.is_some() || disabled && !before.disabled {
        let epoch: Value = random_number()?.into();
        transaction.execute(
            "UPDATE account_user SET epoch = $2 WHERE name = $1",
            &[name.into(), epoch],
        )?;
        transaction.execute(
            "DELETE FROM account_token WHERE owner = $1 AND kind = 'refresh'",
            &[name.into()],
        )?;
    }
    let mut detail = vec![];
    if change.password.is_some() {
        detail.push(("password", json!("changed")));
    }
    if let Some(administrator) = change.administrator {
        detail.push(("administrator", json!(administrator)));
    }
    if let Some(disabled) = change.disabled {
        detail.push(("disabled", json!(disabled)));
    }
    by.did(transaction, "change-user", None, name, &detail)?;
    find(transaction, name)
}

/// Deletes a user with his tokens and memberships.
pub(crate) fn delete(
    transaction: &mut dyn Transaction,
    name: &str,
    by: &By,
) -> Result<(), AccessError> {
    let user = find(transaction, name)?;
    if user.administrator && !user.disabled {
        not_the_last(transaction, name)?;
    }
    transaction.execute("DELETE FROM account_token WHERE owner = $1", &[name.into()])?;
    transaction.execute(
        "DELETE FROM project_member WHERE member = $1",
        &[name.into()],
    )?;
    let gone = transaction.execute("DELETE FROM account_user WHERE name = $1", &[name.into()])?;
    must_be(gone, Thing::User, name)?;
    by.did(transaction, "delete-user", None, name, &[])
}

/// Fails when no other administrator could undo it.
fn not_the_last(transaction: &mut dyn Transaction, name: &str) -> Result<(), AccessError> {
    let other = transaction.first(
        "SELECT name FROM account_user WHERE administrator = 1 AND disabled = 0 AND name <> $1 LIMIT 1",
        &[name.into()],
    )?;
    match other {
        Some(_) => Ok(()),
        None => Err(AccessError::LastAdministrator {
            name: name.to_owned(),
        }),
    }
}
