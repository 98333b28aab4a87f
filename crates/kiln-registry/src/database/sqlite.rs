//! The embedded database: SQLite in a file, with a log beside it (WAL).
//!
//! One connection writes, a few read. Readers see the last commit and never wait for the writer. A
//! lock on a file beside the database keeps a second server out: what one process has in its memory
//! (leases, manifests) must be all there is.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};

use super::migrate::{for_sqlite, migrate};
use super::readers::{ReadSession, Readers};
use super::writer::WriteSession;
use super::{Cause, DatabaseError, Row, Transaction, Value};
use crate::clock::Clock;

/// Statements that a connection keeps compiled.
const STATEMENTS: usize = 128;

/// How long to wait for a file that another process has locked. A process that is being started by
/// this one may hold a copy of a lock for a moment after its owner let go.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Opens the connection that writes and the place where readers come from.
pub(crate) fn open(path: &Path) -> Result<(Session, Readers), DatabaseError> {
    open_within(path, LOCK_PATIENCE)
}

fn open_within(path: &Path, patience: Duration) -> Result<(Session, Readers), DatabaseError> {
    let lock = Arc::new(Lock::take(path, patience)?);
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut session = Session {
        connection,
        durable: true,
        _lock: Arc::clone(&lock),
    };
    session.begin(true)?;
    let place = path.display().to_string();
    migrate(
        &mut session,
        &place,
        Clock::system().now(),
        |session, sql| {
            let done = session.connection.execute_batch(&for_sqlite(sql));
            done.map_err(|error| sort(sql, error))
        },
    )?;
    session.commit()?;
    let path = path.to_owned();
    // Readers hold the lock, too: it ends with the last connection.
    let readers = Readers::new(move || another(&path, &lock));
    Ok((session, readers))
}

/// A lock that ends when this is dropped, also where a process that was just started still has a copy
/// of the file.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // The end of the file's last copy ends it, too.
        let _ = self.0.unlock();
    }
}

impl Lock {
    fn take(path: &Path, patience: Duration) -> Result<Self, DatabaseError> {
        let mut name = OsString::from(path.as_os_str());
        name.push("-lock");
        let failed = |source: std::io::Error| DatabaseError::Open {
            place: path.display().to_string(),
            source: Arc::new(source),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&name).map_err(failed)?;
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if begin.elapsed() < patience => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(DatabaseError::InUse {
                        path: path.to_owned(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, DatabaseError> {
    let opened = |error: rusqlite::Error| match sort("open", error) {
        DatabaseError::Statement { source, .. } | DatabaseError::Unavailable { source } => {
            DatabaseError::Open {
                place: path.display().to_string(),
                source,
            }
        }
        DatabaseError::Damaged { source, .. } => DatabaseError::Damaged {
            place: path.display().to_string(),
            source,
        },
        other => other,
    };
    let mut flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if access.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags).map_err(opened)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let patience = connection.busy_timeout(Duration::from_secs(30));
    patience.map_err(opened)?;
    // FULL: in WAL mode the only one that has a commit on disk when it returns.
    let pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=OFF; \
                   PRAGMA temp_store=MEMORY;";
    connection.execute_batch(pragmas).map_err(opened)?;
    Ok(connection)
}

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    /// What `synchronous` is set to.
    durable: bool,
    _lock: Arc<Lock>,
}

impl Session {
    fn run(&mut self, sql: &'static str) -> Result<(), DatabaseError> {
        let mut statement = self
            .connection
            .prepare_cached(sql)
            .map_err(|error| sort(sql, error))?;
        let done = statement.execute([]);
        done.map(drop).map_err(|error| sort(sql, error))
    }
}

impl Transaction for Session {
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, DatabaseError> {
        query(&self.connection, sql, parameters).map_err(|error| sort(sql, error))
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, DatabaseError> {
        execute(&self.connection, sql, parameters).map_err(|error| sort(sql, error))
    }
}

impl WriteSession for Session {
    fn begin(&mut self, durable: bool) -> Result<(), DatabaseError> {
        if durable != self.durable {
            let sql = match durable {
                true => "PRAGMA synchronous=FULL",
                false => "PRAGMA synchronous=NORMAL",
            };
            let set = self.connection.execute_batch(sql);
            set.map_err(|error| sort(sql, error))?;
            self.durable = durable;
        }
        self.run("BEGIN IMMEDIATE")
    }

    fn savepoint(&mut self) -> Result<(), DatabaseError> {
        self.run("SAVEPOINT one")
    }

    fn release(&mut self) -> Result<(), DatabaseError> {
        self.run("RELEASE one")
    }

    fn undo(&mut self) -> Result<(), DatabaseError> {
        self.run("ROLLBACK TO one")?;
        self.run("RELEASE one")
    }

    fn commit(&mut self) -> Result<(), DatabaseError> {
        self.run("COMMIT")
    }

    fn rollback(&mut self) {
        if self.stands() {
            // What cannot be rolled back is no longer there.
            let _ = self.run("ROLLBACK");
        }
    }

    fn stands(&self) -> bool {
        !self.connection.is_autocommit()
    }
}

impl ReadSession for Session {
    fn begin_read(&mut self) -> Result<(), DatabaseError> {
        self.run("BEGIN")
    }

    fn end_read(&mut self) -> Result<(), DatabaseError> {
        self.run("COMMIT")
    }
}

/// A connection that only reads. Opened for writing, because on a fresh log a reader may have to make
/// the shared memory; kept from writing by the pragma.
fn another(path: &Path, lock: &Arc<Lock>) -> Result<Session, DatabaseError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let sql = "PRAGMA query_only=ON";
    let set = connection.execute_batch(sql);
    set.map_err(|error| sort(sql, error))?;
    Ok(Session {
        connection,
        durable: true,
        _lock: Arc::clone(lock),
    })
}

fn query(connection: &Connection, sql: &str, parameters: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, parameters)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut result = vec![];
    while let Some(row) = rows.next()? {
        let values =
            (0..columns).map(|index| row.get_ref(index).and_then(|value| own(index, value)));
        result.push(Row::new(values.collect::<Result<_, _>>()?));
    }
    Ok(result)
}

fn execute(connection: &Connection, sql: &str, parameters: &[Value]) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, parameters)?;
    Ok(statement.raw_execute()? as u64)
}

/// SQLite takes `$2` for a name and counts names in the order in which they first occur, so each is
/// bound by what its name says.
fn bind(statement: &mut rusqlite::Statement<'_>, parameters: &[Value]) -> rusqlite::Result<()> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or_default();
        let number = name
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok());
        let value = number.and_then(|number| parameters.get(number.checked_sub(1)?));
        match value {
            Some(value) => statement.raw_bind_parameter(index, value)?,
            None => return Err(rusqlite::Error::InvalidParameterName(name.to_owned())),
        }
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn own(index: usize, value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text);
            Value::Text(
                text.map_err(|error| rusqlite::Error::Utf8Error(index, error))?
                    .to_owned(),
            )
        }
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => {
            let (name, kind) = (format!("column {index}"), value.data_type());
            return Err(rusqlite::Error::InvalidColumnType(index, name, kind));
        }
    })
}

/// Sorts an error by what can be done about it.
fn sort(sql: &str, error: rusqlite::Error) -> DatabaseError {
    use rusqlite::ErrorCode as Code;
    let code = error.sqlite_error_code();
    let extended = error.sqlite_error().map(|error| error.extended_code);
    let source: Cause = Arc::new(error);
    match code {
        Some(Code::DiskFull) => DatabaseError::Full { source },
        Some(Code::ReadOnly | Code::PermissionDenied) => DatabaseError::ReadOnly { source },
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => DatabaseError::Unavailable { source },
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => DatabaseError::Damaged {
            place: "file".to_owned(),
            source,
        },
        Some(Code::ConstraintViolation)
            if matches!(
                extended,
                Some(
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                        | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                )
            ) =>
        {
            DatabaseError::Duplicate { source }
        }
        _ => DatabaseError::Statement {
            sql: sql.to_owned(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_testkit::TempDir;

    #[test]
    fn a_second_server_is_kept_out() {
        let directory = TempDir::new();
        let path = directory.join("registry.db");
        let first = open(&path).unwrap();
        let second = open_within(&path, Duration::ZERO);
        assert!(matches!(second, Err(DatabaseError::InUse { .. })));
        drop(first);
        // Another test may be starting a process, which holds the lock for a moment.
        open(&path).unwrap();
    }

    #[test]
    fn what_a_newer_kiln_changed_is_not_touched() {
        let directory = TempDir::new();
        let path = directory.join("registry.db");
        let (mut session, readers) = open(&path).unwrap();
        let sql = "INSERT INTO migration (name, applied) VALUES ('content-99', 0)";
        session.execute(sql, &[]).unwrap();
        drop((session, readers));
        let again = open(&path);
        assert!(
            matches!(&again, Err(DatabaseError::Newer { migration, .. }) if migration == "content-99"),
            "{again:?}"
        );
    }

    #[test]
    fn a_foreign_file_is_damaged() {
        let directory = TempDir::new();
        let path = directory.join("registry.db");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let opened = open(&path);
        assert!(
            matches!(opened, Err(DatabaseError::Damaged { .. })),
            "{opened:?}"
        );
    }

    #[test]
    fn parameters_are_bound_by_their_numbers() {
        let directory = TempDir::new();
        let (mut session, _) = open(&directory.join("registry.db")).unwrap();
        let row = session.first("SELECT $2, $1, $2", &[1.into(), "two".into()]);
        let row = row.unwrap().unwrap();
        assert_eq!(row.get::<String>(0).unwrap(), "two");
        assert_eq!(row.get::<i64>(1).unwrap(), 1);
        assert_eq!(row.get::<String>(2).unwrap(), "two");
        assert!(session.query("SELECT $1, $3", &[1.into()]).is_err());
    }

    #[test]
    fn a_full_disk_and_a_taken_key_are_told_apart() {
        let directory = TempDir::new();
        let (mut session, _) = open(&directory.join("registry.db")).unwrap();
        session.begin(true).unwrap();
        let sql = "INSERT INTO garbage (object, due) VALUES ($1, 0)";
        session.execute(sql, &["x".into()]).unwrap();
        let again = session.execute(sql, &["x".into()]);
        assert!(matches!(again, Err(DatabaseError::Duplicate { .. })));
        session.commit().unwrap();
        session
            .connection
            .execute_batch("PRAGMA max_page_count=1")
            .unwrap();
        session.begin(true).unwrap();
        let large = "x".repeat(1 << 20);
        let full = session.execute(sql, &[large.into()]);
        assert!(matches!(full, Err(DatabaseError::Full { .. })), "{full:?}");
        session.rollback();
        assert!(!session.stands());
    }
}
