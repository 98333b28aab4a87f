//! What runs beside the requests: the audit log's writer, and what must be forgotten in time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::accounts::{By, tokens};
use super::audit::{Actor, forget};
use super::error::AccessError;
use super::first_start::add_key;
use super::{Access, Shared};
use crate::clock::milliseconds;
use crate::database::Transaction;

/// Events that come within this time are written together.
const TOGETHER: Duration = Duration::from_millis(200);
/// Counted refusals are written at least this often.
const AT_LEAST: Duration = Duration::from_secs(30);
/// How often is looked for what must be forgotten.
const HOURLY: Duration = Duration::from_secs(60 * 60);
/// A new signing key is made this often; the ones before verify on for as long as a token lives, and more.
const KEY_AGE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Lines of the audit log that one transaction drops: others shall not wait long.
const FORGET_AT_ONCE: i64 = 1_000;

impl Access {
    /// Starts both. They end when the last clone of this is dropped.
    pub(super) fn spawn_housekeeping(&self) {
        tokio::spawn(write_events(Arc::downgrade(&self.0)));
        tokio::spawn(hourly(Arc::downgrade(&self.0)));
    }

    /// Drops what is too old: lines of the audit log, tokens that ended a week ago. Makes a new signing key when
    /// the newest is old. Any number of servers may do it at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tidy_up(&self) -> Result<(), AccessError> {
        let now = self.now();
        if let Some(keep) = self.0.options.keep_audit {
            let before = now.saturating_sub(milliseconds(keep));
            let database = &self.accounts()?.directory.database;
            while database
                .write(move |t| forget(t, before, FORGET_AT_ONCE))
                .await?
                > 0
            {}
        }
        let ended = now.saturating_sub(7 * 24 * 60 * 60 * 1_000);
        let needs_key =
            self.read(move |t| Ok(newest_key(t)? < now.saturating_sub(milliseconds(KEY_AGE))));
        if needs_key.await? {
            self.change(Actor::system(), rotate).await?;
        }
        let database = &self.accounts()?.directory.database;
        database
            .write(move |t| tokens::forget_expired(t, ended))
            .await?;
        Ok(())
    }
}

fn newest_key(transaction: &mut dyn Transaction) -> Result<i64, AccessError> {
    let row = transaction.first(
        "SELECT created FROM signing_key ORDER BY created DESC LIMIT 1",
        &[],
    )?;
    Ok(row.map_or(Ok(0), |row| row.get(0))?)
}

/// Another server may have been faster: looks again, in the transaction.
fn rotate(transaction: &mut dyn Transaction, by: &By) -> Result<(), AccessError> {
    let newest = newest_key(transaction)?;
    if newest >= by.now.saturating_sub(milliseconds(KEY_AGE)) {
        return Ok(());
    }
    transaction.execute(
        "DELETE FROM signing_key WHERE created < $1",
        &[newest.into()],
    )?;
    add_key(transaction, by)
}

async fn write_events(access: Weak<Shared>) {
    loop {
        let Some(shared) = access.upgrade() else {
            return;
        };
        let Some(accounts) = &shared.accounts else {
            return;
        };
        // A failing database is tried again with the next events; what waits is bounded, and what is lost is
        // counted in the log itself.
        let _ = accounts.queue.flush(&accounts.directory.database).await;
        let some = shared
            .accounts
            .as_ref()
            .map(|accounts| accounts.queue.waiting());
        drop(shared);
        let Some(some) = some else { return };
        let _ = tokio::time::timeout(AT_LEAST, some.notified()).await;
        tokio::time::sleep(TOGETHER).await;
    }
}

async fn hourly(access: Weak<Shared>) {
    loop {
        let Some(shared) = access.upgrade() else {
            return;
        };
        // Tried again in an hour; a database that fails is seen by every request.
        let _ = Access(shared).tidy_up().await;
        tokio::time::sleep(HOURLY).await;
    }
}
