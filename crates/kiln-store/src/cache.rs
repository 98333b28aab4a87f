//! `cache.db`: what can be made again, at some cost. Results of steps, memos, layer indexes, which
//! blob is a layer in compressed form. The file may be deleted at any time; a damaged one is
//! replaced.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kiln_oci::Digest;
use rusqlite::{OptionalExtension as _, params};

use crate::database::{Database, Plan};
use crate::error::StoreError;
use crate::store::{Store, now};

const PLAN: Plan = Plan {
    format: 1,
    droppable: true,
    schema: "
        DROP TABLE IF EXISTS entries; DROP TABLE IF EXISTS indexes; DROP TABLE IF EXISTS compressed;
        CREATE TABLE entries (
            space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, used INTEGER NOT NULL,
            PRIMARY KEY (space, key)) WITHOUT ROWID;
        CREATE TABLE indexes (diff_id TEXT PRIMARY KEY, data BLOB NOT NULL);
        CREATE TABLE compressed (
            diff_id TEXT NOT NULL, compression TEXT NOT NULL, digest TEXT NOT NULL,
            media_type TEXT NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (diff_id, compression));
    ",
};

/// The time of use of an entry is only kept to the day, so that reading seldom writes.
const DAY: i64 = 24 * 60 * 60;

/// Entries that were read and whose time of use is old.
pub(crate) type Used = Mutex<HashSet<(String, Digest)>>;

pub(crate) fn open(path: &Path, busy: Duration) -> Result<Database, StoreError> {
    Database::open(path, PLAN, busy)
}

impl Store {
    /// What is kept under `key` in `space`, for example the result of a step. Being asked for counts
    /// as use.
    ///
    /// # Errors
    /// If the database fails. Damage is no failure: then nothing is there.
    pub fn cache_get(&self, space: &str, key: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let found: Option<(Vec<u8>, i64)> = self.cache.read(|db| {
            let query = "SELECT value, used FROM entries WHERE space = ?1 AND key = ?2";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            db.prepare_cached(query)?
                .query_row(params![space, key.as_bytes()], row)
                .optional()
        })?;
        Ok(found.map(|(value, used)| {
            if used + DAY < now() {
                let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert((space.to_owned(), *key));
            }
            value
        }))
    }

    /// Keeps `value` under `key` in `space`. In a read-only store it is forgotten at once.
    ///
    /// # Errors
    /// If the database fails.
    pub fn cache_put(&self, space: &str, key: &Digest, value: &[u8]) -> Result<(), StoreError> {
        if self.cache.is_read_only() {
            return Ok(());
        }
        self.cache.write(|db| {
            db.prepare_cached(
                "INSERT INTO entries VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET value = excluded.value, used = excluded.used",
            )?
            .execute(params![space, key.as_bytes(), value, now()])
            .map(drop)
        })
    }

    /// Writes down what was used. A time that is lost makes an entry look older than it is.
    pub(crate) fn record_use(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() || self.cache.is_read_only() {
            return;
        }
        let _ = self.cache.write(|db| {
            let update = "UPDATE entries SET used = ?3 WHERE space = ?1 AND key = ?2";
            let mut update = db.prepare(update)?;
            for (space, key) in &used {
                update.execute(params![space, key.as_bytes(), now()])?;
            }
            Ok(())
        });
    }
}
