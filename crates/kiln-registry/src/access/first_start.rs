//! The first start makes an administrator, and the keys of the token service.

use super::accounts::{By, users};
use super::audit::Actor;
use super::bearer::SigningKeys;
use super::error::AccessError;
use super::names::AccountName;
use super::{Access, password};
use crate::database::Transaction;

/// The administrator that the first start made. The password is nowhere else: it is to be shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstAdministrator {
    /// The login name.
    pub name: String,
    /// The password, in clear. `None` when the caller gave it himself.
    pub password: Option<String>,
}

impl std::fmt::Debug for FirstAdministrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FirstAdministrator({})", self.name)
    }
}

const NAME: &str = "admin";

impl Access {
    /// Makes what must be there. Several servers may start at once on one database: the transaction decides who
    /// of them makes it, and only that one has the password.
    pub(super) async fn first_start(&self) -> Result<Option<FirstAdministrator>, AccessError> {
        let ready = self
            .read(|transaction| Ok(users::any(transaction)? && has_key(transaction)?))
            .await?;
        if ready {
            return Ok(None);
        }
        let name: AccountName = NAME.parse()?;
        let given = self.0.options.first_password.clone();
        let random = match given {
            Some(_) => None,
            None => Some(password::random()?),
        };
        let clear = given.or_else(|| random.clone()).unwrap_or_default();
        let stored = self.hash_password(&name, clear).await?;
        let made = self.change(Actor::system(), move |transaction, by| {
            make_key(transaction, by)?;
            if users::any(transaction)? {
                return Ok(false);
            }
            users::create(transaction, &name, &stored, true, by)?;
            Ok(true)
        });
        Ok(made.await?.then(|| FirstAdministrator {
            name: NAME.into(),
            password: random,
        }))
    }

    /// Gives the administrator `admin` a new random password, and makes him one again if he is none: for who
    /// has the database's files but no password any more. Works beside a running server only where the
    /// database allows it (SQLite does not: stop the server first).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_administrator(&self) -> Result<FirstAdministrator, AccessError> {
        let name: AccountName = NAME.parse()?;
        let clear = password::random()?;
        let stored = self.hash_password(&name, clear.clone()).await?;
        let done = self.change(Actor::system(), move |transaction, by| {
            if users::record(transaction, name.as_str())?.is_none() {
                users::create(transaction, &name, &stored, true, by)?;
                return Ok(());
            }
            let change = users::UserChange {
                password: Some(stored),
                administrator: Some(true),
                disabled: Some(false),
            };
            users::change(transaction, name.as_str(), &change, by)?;
            Ok(())
        });
        done.await?;
        Ok(FirstAdministrator {
            name: NAME.into(),
            password: Some(clear),
        })
    }
}

fn has_key(transaction: &mut dyn Transaction) -> Result<bool, AccessError> {
    Ok(transaction
        .first("SELECT id FROM signing_key LIMIT 1", &[])?
        .is_some())
}

fn make_key(transaction: &mut dyn Transaction, by: &By) -> Result<(), AccessError> {
    if has_key(transaction)? {
        return Ok(());
    }
    add_key(transaction, by)
}

/// Adds a signing key, which is the newest then.
pub(super) fn add_key(transaction: &mut dyn Transaction, by: &By) -> Result<(), AccessError> {
    let (id, secret) = SigningKeys::generate()?;
    transaction.execute(
        "INSERT INTO signing_key (id, secret, created) VALUES ($1, $2, $3)",
        &[(&id).into(), secret.into(), by.now.into()],
    )?;
    by.did(transaction, "create-signing-key", None, &id, &[])
}
