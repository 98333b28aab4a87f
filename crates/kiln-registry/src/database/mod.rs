//! The registry's metadata: one database, the same SQL on SQLite and PostgreSQL.
//!
//! Work is a closure over a [`Transaction`]. [`Database::write`] gives it to the one writer, which
//! commits what waits together; nothing else writes, so a closure sees no change but its own and may
//! test a condition in one statement and rely on it in the next. [`Database::read`] runs on its own
//! connection, beside writers and other readers, on one consistent state.
//!
//! Statements name their parameters `$1`, `$2`, … and use what both databases know. Numbers are
//! `BIGINT` everywhere, and a `SUM` has to be cast to it.

mod error;
mod migrate;
mod postgres;
mod readers;
mod sqlite;
mod value;
mod writer;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

pub use error::{Cause, DatabaseError};
pub use postgres::PostgresOptions;
pub use value::{FromValue, Row, Value};

use readers::Readers;
use writer::{Job, Ran, WriteSession, Writer};

/// Statements that happen together or not at all. After one failed, PostgreSQL takes no more of them:
/// the closure has to give up.
pub trait Transaction {
    /// The rows of a statement, which may also write (`RETURNING`).
    ///
    /// # Errors
    /// See [`DatabaseError`].
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, DatabaseError>;

    /// The number of rows that a statement changed.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, DatabaseError>;

    /// The first row, if there is one.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    fn first(&mut self, sql: &str, parameters: &[Value]) -> Result<Option<Row>, DatabaseError> {
        Ok(self.query(sql, parameters)?.into_iter().next())
    }
}

/// A database. Clones share it; it is closed when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Database {
    writer: Writer,
    readers: Arc<Readers>,
    shared: bool,
    /// As many reads run at once as there are permits: each has a connection and a thread.
    reading: Arc<Semaphore>,
}

/// Reads that run at once on SQLite. More than the processors only helps while the disk is slow.
const READERS: usize = 8;

impl Database {
    /// Opens or makes an SQLite database in the file `path`, and brings its tables up to date. The
    /// file belongs to this process until the last clone is dropped.
    ///
    /// # Errors
    /// [`DatabaseError::InUse`], [`DatabaseError::Newer`], [`DatabaseError::Damaged`],
    /// [`DatabaseError::Open`], or what the disk refuses.
    pub fn open_sqlite(path: &Path) -> Result<Self, DatabaseError> {
        let (session, readers) = sqlite::open(path)?;
        let place = path.display().to_string();
        Self::start(session, readers, READERS, &place)
    }

    /// Connects to a PostgreSQL database, version 12 or later, and brings its tables up to date.
    /// Several servers may share the database. Connections that break are made anew by the next
    /// statement. Needs a tokio runtime around it, in which the connections live.
    ///
    /// # Errors
    /// [`DatabaseError::Newer`], [`DatabaseError::Open`], or what the server refuses.
    pub async fn open_postgres(options: PostgresOptions) -> Result<Self, DatabaseError> {
        let runtime = tokio::runtime::Handle::current();
        let most = options.readers.max(1);
        let server = postgres::Server::new(options, runtime)?;
        let place = server.place().to_owned();
        // Off the runtime's threads, because it waits for them.
        let opened = tokio::task::spawn_blocking(move || postgres::open(server)).await;
        let (session, readers) = opened.map_err(|source| DatabaseError::Open {
            place: place.clone(),
            source: Arc::new(source),
        })??;
        let database = Self::start(session, readers, most, &place)?;
        Ok(Self {
            shared: true,
            ..database
        })
    }

    fn start(
        session: impl WriteSession + Send + 'static,
        readers: Readers,
        most: usize,
        place: &str,
    ) -> Result<Self, DatabaseError> {
        let writer = Writer::start(session).map_err(|source| DatabaseError::Open {
            place: place.to_owned(),
            source: Arc::new(source),
        })?;
        Ok(Self {
            writer,
            readers: Arc::new(readers),
            shared: false,
            reading: Arc::new(Semaphore::new(most)),
        })
    }

    /// Whether other processes may change what is in it, so that nothing may be remembered that was
    /// read.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Does `work` in a transaction of its own. When this returns `Ok`, it is on disk; when `work` or
    /// the commit fails, nothing of it happened.
    ///
    /// # Errors
    /// What `work` returns, or why it could not be committed.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.submit(true, work).await
    }

    /// The same, for what may be forgotten when the machine loses power (not when the process is
    /// killed): an upload that nobody was told to be complete.
    ///
    /// # Errors
    /// The same.
    pub async fn write_relaxed<T, E>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.submit(false, work).await
    }

    async fn submit<T, E>(
        &self,
        durable: bool,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let work = Box::new(move |transaction: Result<&mut dyn Transaction, _>| {
            let result = transaction.map_err(E::from).and_then(work);
            Ran {
                keep: result.is_ok(),
                answer: Box::new(move |committed: Result<(), DatabaseError>| {
                    let result = result.and_then(|value| {
                        committed?;
                        Ok(value)
                    });
                    // A caller that went away does not want to know.
                    let _ = sender.send(result);
                }),
            }
        });
        self.writer.submit(Job { durable, work });
        receiver.await.unwrap_or_else(|_| {
            let reason = "it panicked, or the database was closed";
            Err(DatabaseError::Abandoned { reason }.into())
        })
    }

    /// Runs `work` on one state of the database, beside any writer. It cannot change anything.
    ///
    /// # Errors
    /// What `work` returns, or why it could not be run.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let permit = Arc::clone(&self.reading).acquire_owned().await;
        let permit = permit.expect("because the semaphore is never closed");
        let readers = Arc::clone(&self.readers);
        let task = tokio::task::spawn_blocking(move || {
            let result = readers.read(work);
            drop(permit);
            result
        });
        task.await.unwrap_or_else(|_| {
            let reason = "it panicked, or the server is ending";
            Err(DatabaseError::Abandoned { reason }.into())
        })
    }
}
