//! The two databases, and how they are opened.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// A SQLite file that threads of this process share and other processes use too.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// How durable a database must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Every commit is on disk before it counts.
    Full,
    /// A power cut may take the last commits; the file stays sound.
    Rebuildable,
}

impl Database {
    /// Opens `path` and brings it to `format` with `schema`, which must be idempotent.
    pub(crate) fn open(
        path: &Path,
        durability: Durability,
        format: i64,
        schema: &str,
    ) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Database {
            path: path.to_owned(),
            source,
        };
        let connection = Connection::open(path).map_err(failed)?;
        connection
            .busy_timeout(Duration::from_secs(30))
            .map_err(failed)?;
        let synchronous = match durability {
            Durability::Full => "FULL",
            Durability::Rebuildable => "OFF",
        };
        let pragmas = format!("PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};");
        connection.execute_batch(&pragmas).map_err(failed)?;
        let found: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(failed)?;
        if found > format {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                found,
                known: format,
            });
        }
        if found < format {
            let batch = format!("BEGIN IMMEDIATE; {schema} PRAGMA user_version={format}; COMMIT;");
            connection.execute_batch(&batch).map_err(failed)?;
        }
        Ok(Self {
            path: path.to_owned(),
            connection: Mutex::new(connection),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads.
    pub(crate) fn read<T>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        act(&self.lock()).map_err(|source| self.failed(source))
    }

    /// Writes in one transaction.
    pub(crate) fn write<T>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let write = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = act(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        write().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database {
            path: self.path.clone(),
            source,
        }
    }
}
