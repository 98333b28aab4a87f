//! The two databases, and how they are opened.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::StoreError;

/// A SQLite file that threads of this process share and other processes use too.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    plan: Plan,
    connection: Mutex<Connection>,
    read_only: bool,
}

/// What a database is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The version of `schema`.
    pub(crate) format: i64,
    /// Statements that bring any older format, an empty file included, to this one.
    pub(crate) schema: &'static str,
    /// Whether the file holds nothing that cannot be made again: then a damaged one is replaced by
    /// an empty one, and a power cut may take the last commits. Otherwise every commit is on disk
    /// before it counts.
    pub(crate) droppable: bool,
}

/// Why a database could not be opened.
enum Unusable {
    /// Nothing may be written here.
    ReadOnly(StoreError),
    /// It is no database, or a damaged one, or of a format that this kiln does not know.
    Unreadable(StoreError),
    /// Anything else.
    Failed(StoreError),
}

impl Database {
    /// Opens `path`, which is made if it is not there, or only reads it where nothing can be written.
    pub(crate) fn open(path: &Path, plan: Plan, busy: Duration) -> Result<Self, StoreError> {
        let (connection, read_only) = match connect(path, &plan, busy) {
            Ok(connection) => (connection, false),
            Err(Unusable::ReadOnly(_)) => (connect_read_only(path, &plan)?, true),
            Err(Unusable::Unreadable(_)) if plan.droppable => {
                remove(path);
                let again = connect(path, &plan, busy);
                (again.map_err(Unusable::into_error)?, false)
            }
            Err(other) => return Err(other.into_error()),
        };
        Ok(Self {
            path: path.to_owned(),
            plan,
            connection: Mutex::new(connection),
            read_only,
        })
    }

    /// Whether nothing can be written.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads.
    pub(crate) fn read<T>(
        &self,
        act: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.healing(|connection| act(connection))
    }

    /// Writes in one transaction, which sees what every earlier one wrote.
    pub(crate) fn write<T>(
        &self,
        act: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.healing(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = act(&transaction)?;
            transaction.commit()?;
            Ok(result)
        })
    }

    /// Gives pages of deleted rows back to the file system.
    pub(crate) fn shrink(&self) -> Result<(), StoreError> {
        self.healing(|connection| {
            connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
        })
    }

    /// Does `act`. If the file turns out damaged and is droppable, an empty one takes its place and
    /// `act` is done again: damage may show only at the page that a query needs.
    fn healing<T>(
        &self,
        act: impl Fn(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        match act(&mut connection) {
            Err(error) if is_damage(&error) && self.plan.droppable && !self.read_only => {
                // The file can only be removed for good once its connection let go of it.
                let nothing = Connection::open_in_memory().map_err(|source| self.failed(source))?;
                drop(std::mem::replace(&mut *connection, nothing));
                remove(&self.path);
                let fresh = connect(&self.path, &self.plan, BUSY);
                *connection = fresh.map_err(Unusable::into_error)?;
                act(&mut connection).map_err(|source| self.failed(source))
            }
            Err(source) if is_damage(&source) && !self.plan.droppable => {
                Err(damaged(&self.path, source.into()))
            }
            result => result.map_err(|source| self.failed(source)),
        }
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database {
            path: self.path.clone(),
            source,
        }
    }
}

/// How long a fresh connection waits for other processes.
const BUSY: Duration = Duration::from_secs(30);

impl Unusable {
    fn into_error(self) -> StoreError {
        match self {
            Self::ReadOnly(error) | Self::Unreadable(error) | Self::Failed(error) => error,
        }
    }
}

fn connect(path: &Path, plan: &Plan, busy: Duration) -> Result<Connection, Unusable> {
    let failed = |source: rusqlite::Error| sort(path, plan, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(busy).map_err(failed)?;
    // In WAL mode NORMAL cannot damage the file: it only lets a power cut take the last commits.
    let synchronous = if plan.droppable { "NORMAL" } else { "FULL" };
    let pragmas = format!("PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};");
    connection.execute_batch(&pragmas).map_err(failed)?;
    let found = user_version(&connection).map_err(failed)?;
    if found > plan.format {
        return Err(Unusable::Unreadable(newer(path, plan, found)));
    }
    if found < plan.format {
        let (schema, format) = (plan.schema, plan.format);
        let batch = format!("BEGIN IMMEDIATE; {schema} PRAGMA user_version={format}; COMMIT;");
        connection.execute_batch(&batch).map_err(failed)?;
    }
    Ok(connection)
}

/// Opens a file that cannot change, because nothing can be written where it is. What a process that
/// was killed left in the log is not seen; there is no way to replay it without writing.
fn connect_read_only(path: &Path, plan: &Plan) -> Result<Connection, StoreError> {
    let failed = |source: rusqlite::Error| sort(path, plan, source).into_error();
    if !path.exists() {
        let empty = Connection::open_in_memory().map_err(failed)?;
        empty.execute_batch(plan.schema).map_err(failed)?;
        return Ok(empty);
    }
    let mut name = String::from("file:");
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'?' | b'#' | b'%' => name.push_str(&format!("%{byte:02x}")),
            _ => name.push(char::from(byte)),
        }
    }
    name.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(name, flags).map_err(failed)?;
    let found = user_version(&connection).map_err(failed)?;
    match found > plan.format {
        true => Err(newer(path, plan, found)),
        false => Ok(connection),
    }
}

fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn newer(path: &Path, plan: &Plan, found: i64) -> StoreError {
    StoreError::Newer {
        path: path.to_owned(),
        found,
        known: plan.format,
    }
}

fn sort(path: &Path, plan: &Plan, source: rusqlite::Error) -> Unusable {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    let code = source.sqlite_error_code();
    if is_damage(&source) {
        return Unusable::Unreadable(match plan.droppable {
            true => StoreError::Database {
                path: path.to_owned(),
                source,
            },
            false => damaged(path, source.into()),
        });
    }
    let error = StoreError::Database {
        path: path.to_owned(),
        source,
    };
    match code {
        Some(ReadOnly | CannotOpen | PermissionDenied) => Unusable::ReadOnly(error),
        _ => Unusable::Failed(error),
    }
}

/// The names of images cannot be read.
pub(crate) fn damaged(path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::DamagedNames {
        path: path.to_owned(),
        source,
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            // Tables or columns that are not there: a file of the right format and the wrong content.
            let is_foreign = |text: &String| text.starts_with("no such");
            matches!(failure.code, DatabaseCorrupt | NotADatabase)
                || message.as_ref().is_some_and(is_foreign)
        }
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        rusqlite::Error::SqlInputError { msg, .. } => msg.starts_with("no such"),
        _ => false,
    }
}

/// Removes a database and what SQLite keeps beside it. Other processes that have it open go on with
/// the removed file.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = OsString::from(path.as_os_str());
        name.push(suffix);
        // If it cannot be removed, opening it again says why.
        let _ = fs::remove_file(name);
    }
}
