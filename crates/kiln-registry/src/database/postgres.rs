//! The database of several servers: PostgreSQL.
//!
//! The rest of the registry counts on one writer. So a transaction that writes takes one lock of the
//! whole database first (an advisory lock, which ends with the transaction); the servers write in
//! turn, each a group of closures at a time, and every statement sees all that was committed before.
//! Readers take no lock and see one state.
//!
//! Source: PostgreSQL's documentation, "Explicit Locking", "Asynchronous Commit" and "PostgreSQL Error
//! Codes".

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::migrate::migrate;
use super::readers::{ReadSession, Readers};
use super::writer::WriteSession;
use super::{Cause, DatabaseError, Row, Transaction, Value};
use crate::clock::Clock;

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 256;

/// The number of the lock that writers take; any that other programs do not use.
const WRITERS_LOCK: i64 = 0x6b69_6c6e_0001;

/// A server that takes no connection within this time is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection is broken if what was sent is not acknowledged within this time.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Which database, and how to get there.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgresql://USER@HOST:PORT/DATABASE`, or `host=… user=… dbname=…`. A `sslmode` in it is
    /// overruled by `tls`.
    pub url: String,
    /// The password, where it does not stand in `url`.
    pub password: Option<String>,
    /// Whether the connection is encrypted and the server's name and certificate are verified. Not on
    /// sockets of this machine, where there is nothing to be verified.
    pub tls: bool,
    /// What the certificate must lead to; the system's authorities where there are none.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Connections that read; one more writes.
    pub readers: usize,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            password: None,
            tls: true,
            authorities: vec![],
            readers: 8,
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Both the address and the password may hold the password.
        f.debug_struct("PostgresOptions")
            .field("tls", &self.tls)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// Whether [`url`](Self::url) can be read, without connecting.
    ///
    /// # Errors
    /// [`DatabaseError::Open`] when it cannot.
    pub fn check(&self) -> Result<(), DatabaseError> {
        self.config().map(drop)
    }

    fn config(&self) -> Result<Config, DatabaseError> {
        let parsed = self.url.parse();
        let mut config: Config =
            parsed.map_err(|error: tokio_postgres::Error| unreadable(Arc::new(error)))?;
        if let Some(password) = &self.password {
            config.password(password);
        }
        let is_local = |host: &Host| matches!(host, Host::Unix(_));
        let local = config.get_hosts().iter().all(is_local);
        config.ssl_mode(match self.tls && !local {
            true => SslMode::Require,
            false => SslMode::Disable,
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNACKNOWLEDGED);
        }
        config.application_name("kiln");
        Ok(config)
    }
}

fn unreadable(source: Cause) -> DatabaseError {
    DatabaseError::Open {
        place: "of the given address".to_owned(),
        source,
    }
}

/// How to get a connection.
#[derive(Clone)]
pub(crate) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    runtime: Handle,
    place: Arc<str>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the password.
        f.debug_tuple("Server").field(&self.place).finish()
    }
}

impl Server {
    pub(crate) fn new(options: PostgresOptions, runtime: Handle) -> Result<Self, DatabaseError> {
        let config = options.config()?;
        let place = format!(
            "{} at {:?}",
            config.get_dbname().unwrap_or("postgres"),
            config.get_hosts()
        );
        let mut roots = RootCertStore::empty();
        if options.authorities.is_empty() && config.get_ssl_mode() != SslMode::Disable {
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
        }
        for authority in options.authorities {
            let added = roots.add(authority);
            added.map_err(|error| unreadable(Arc::new(error)))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| unreadable(Arc::new(error)))?;
        let tls = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(tls),
            runtime,
            place: place.into(),
        })
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    fn connect(&self) -> Result<Client, DatabaseError> {
        let connecting = self.config.connect(self.tls.clone());
        let (client, connection) = self.runtime.block_on(connecting).map_err(|error| {
            // What is wrong with the address or the password does not pass by waiting.
            match error.code() {
                Some(_) => DatabaseError::Open {
                    place: self.place.to_string(),
                    source: Arc::new(error),
                },
                None => DatabaseError::Unavailable {
                    source: Arc::new(error),
                },
            }
        })?;
        // It ends with the client, and says why through the client's calls.
        self.runtime.spawn(async {
            let _ = connection.await;
        });
        Ok(client)
    }
}

/// Connects, brings the tables up to date, and gives the place where readers come from.
pub(crate) fn open(server: Server) -> Result<(Session, Readers), DatabaseError> {
    let mut session = Session::new(&server)?;
    session.begin(true)?;
    let place = server.place.to_string();
    let now = Clock::system().now();
    migrate(&mut session, &place, now, Session::batch)?;
    session.commit()?;
    let readers = Readers::new(move || Session::new(&server));
    Ok((session, readers))
}

/// A connection. All its calls wait, so they must not be made on the runtime's own threads.
pub(crate) struct Session {
    server: Server,
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.server).finish()
    }
}

impl Session {
    fn new(server: &Server) -> Result<Self, DatabaseError> {
        Ok(Self {
            server: server.clone(),
            client: server.connect()?,
            prepared: HashMap::new(),
        })
    }

    /// Connects anew if the connection broke.
    fn revive(&mut self) -> Result<(), DatabaseError> {
        if self.client.is_closed() {
            *self = Self::new(&self.server)?;
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> Result<(), DatabaseError> {
        let done = self.server.runtime.block_on(self.client.batch_execute(sql));
        done.map_err(|error| sort(sql, error))
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, DatabaseError> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let prepared = self.server.runtime.block_on(self.client.prepare(sql));
        let statement = prepared.map_err(|error| sort(sql, error))?;
        if self.prepared.len() >= STATEMENTS {
            self.prepared.clear();
        }
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// The parameters that a statement has; more may be given, as to SQLite.
fn parameters<'a>(statement: &Statement, given: &'a [Value]) -> Vec<&'a (dyn ToSql + Sync)> {
    let wanted = given.iter().take(statement.params().len());
    wanted
        .map(|value| value as &'a (dyn ToSql + Sync))
        .collect()
}

impl Transaction for Session {
    fn query(&mut self, sql: &str, given: &[Value]) -> Result<Vec<Row>, DatabaseError> {
        let statement = self.prepare(sql)?;
        let values = parameters(&statement, given);
        let querying = self.client.query(&statement, &values);
        let rows = self.server.runtime.block_on(querying);
        let rows = rows.map_err(|error| sort(sql, error))?;
        let own = |row: &tokio_postgres::Row| own(row).map_err(|error| sort(sql, error));
        rows.iter().map(own).collect()
    }

    fn execute(&mut self, sql: &str, given: &[Value]) -> Result<u64, DatabaseError> {
        let statement = self.prepare(sql)?;
        let values = parameters(&statement, given);
        let executing = self.client.execute(&statement, &values);
        let done = self.server.runtime.block_on(executing);
        done.map_err(|error| sort(sql, error))
    }
}

impl WriteSession for Session {
    fn begin(&mut self, durable: bool) -> Result<(), DatabaseError> {
        self.revive()?;
        let relaxed = match durable {
            true => "",
            false => "SET LOCAL synchronous_commit = off;",
        };
        let sql = format!("BEGIN; SELECT pg_advisory_xact_lock({WRITERS_LOCK}); {relaxed}");
        self.batch(&sql)
    }

    fn savepoint(&mut self) -> Result<(), DatabaseError> {
        self.batch("SAVEPOINT one")
    }

    fn release(&mut self) -> Result<(), DatabaseError> {
        self.batch("RELEASE one")
    }

    fn undo(&mut self) -> Result<(), DatabaseError> {
        self.batch("ROLLBACK TO one; RELEASE one")
    }

    fn commit(&mut self) -> Result<(), DatabaseError> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) {
        // A connection that cannot do this is closed, and its transaction with it.
        let _ = self.batch("ROLLBACK");
    }

    fn stands(&self) -> bool {
        !self.client.is_closed()
    }
}

impl ReadSession for Session {
    fn begin_read(&mut self) -> Result<(), DatabaseError> {
        self.revive()?;
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn end_read(&mut self) -> Result<(), DatabaseError> {
        // Nothing was changed, and this also ends a transaction in which a statement failed.
        self.batch("ROLLBACK")
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => match *kind {
                Type::INT2 => i16::try_from(*number)?.to_sql(kind, out),
                Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
                Type::INT8 => number.to_sql(kind, out),
                Type::BOOL => (*number != 0).to_sql(kind, out),
                _ => Err(format!("a {kind} cannot be a number").into()),
            },
            Self::Text(text) => match <&str as ToSql>::accepts(kind) {
                true => text.to_sql(kind, out),
                false => Err(format!("a {kind} cannot be text").into()),
            },
            Self::Bytes(bytes) => match *kind {
                Type::BYTEA => bytes.to_sql(kind, out),
                _ => Err(format!("a {kind} cannot be bytes").into()),
            },
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn own(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let column = |index: usize| {
        Ok(match *row.columns()[index].type_() {
            Type::INT2 => row.try_get::<_, Option<i16>>(index)?.map(i64::from).into(),
            Type::INT4 => row.try_get::<_, Option<i32>>(index)?.map(i64::from).into(),
            Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
            Type::BOOL => row.try_get::<_, Option<bool>>(index)?.into(),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.into(),
            _ => row.try_get::<_, Option<String>>(index)?.into(),
        })
    };
    let values: Result<Vec<Value>, _> = (0..row.len()).map(column).collect();
    values.map(Row::new)
}

/// Sorts an error by what can be done about it.
fn sort(sql: &str, error: tokio_postgres::Error) -> DatabaseError {
    let code = error.code().cloned();
    let closed = error.is_closed();
    let lost = matches!(error.source(), Some(source) if source.is::<std::io::Error>());
    let source: Cause = Arc::new(error);
    let Some(code) = code else {
        return match closed || lost {
            true => DatabaseError::Unavailable { source },
            false => DatabaseError::Statement {
                sql: sql.to_owned(),
                source,
            },
        };
    };
    // By class: connections, resources, an administrator's hand; see the documentation's appendix A.
    let class = code.code().get(..2).unwrap_or_default();
    match code {
        SqlState::UNIQUE_VIOLATION => DatabaseError::Duplicate { source },
        SqlState::DISK_FULL => DatabaseError::Full { source },
        SqlState::READ_ONLY_SQL_TRANSACTION => DatabaseError::ReadOnly { source },
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => DatabaseError::Damaged {
            place: "at the server".to_owned(),
            source,
        },
        _ if matches!(class, "08" | "53" | "57") => DatabaseError::Unavailable { source },
        _ => DatabaseError::Statement {
            sql: sql.to_owned(),
            source,
        },
    }
}
