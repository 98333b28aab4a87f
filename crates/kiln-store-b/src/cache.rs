//! `cache.db`: what can be made again, at some cost. Step results, layer indexes, digests of compressed
//! layers, times of use. The file may be deleted whenever no kiln runs.

use kiln_oci::Digest;
use rusqlite::{OptionalExtension as _, params};

use crate::database::{Database, Durability};
use crate::error::StoreError;
use crate::store::{Store, now};

const FORMAT: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entries (
    space TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (space, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS indexes (diff_id TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blobs_of (
    diff_id TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    compression TEXT NOT NULL, PRIMARY KEY (diff_id, compression));
CREATE TABLE IF NOT EXISTS used (name TEXT PRIMARY KEY, at INTEGER NOT NULL);
";

/// Opens `cache.db`. One that is damaged or of another format is thrown away: it holds nothing that cannot be
/// made again.
pub(crate) fn open(path: &std::path::Path) -> Result<Database, StoreError> {
    let open = || Database::open(path, Durability::Rebuildable, FORMAT, SCHEMA);
    match open() {
        Err(StoreError::Database { source, .. }) if is_damage(&source) => {}
        Err(StoreError::Newer { .. }) => {}
        other => return other,
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
    open()
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase)
    )
}

impl Store {
    /// What is kept under `key` in `space`, for example the result of a step. Being asked for counts as use.
    ///
    /// # Errors
    /// If the database fails.
    pub fn cache_get(&self, space: &str, key: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.cache.read(|db| {
            let mut query =
                db.prepare_cached("SELECT value FROM entries WHERE space = ?1 AND key = ?2")?;
            query
                .query_row(params![space, key.as_bytes()], |row| row.get(0))
                .optional()
        })
    }

    /// Keeps `value` under `key` in `space`.
    ///
    /// # Errors
    /// If the database fails.
    pub fn cache_put(&self, space: &str, key: &Digest, value: &[u8]) -> Result<(), StoreError> {
        self.cache.write(|db| {
            db.prepare_cached(
                "INSERT INTO entries VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET value = excluded.value, used = excluded.used",
            )?
            .execute(params![space, key.as_bytes(), value, now()])
            .map(drop)
        })
    }
}
