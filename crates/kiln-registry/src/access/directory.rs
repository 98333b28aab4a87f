//! Accounts and projects as requests need them: read from the database once, kept until something changes.
//!
//! Each change of accounts and projects raises a revision in the database, in its own transaction. A server
//! that made the change forgets at once what it kept; another one asks for the revision once a second while it
//! has requests. So a right that was taken away is gone everywhere after a second, and pulls write nothing and
//! rarely read. Should the database not answer, nothing that was kept counts for longer than a few seconds.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::accounts::{robots, tokens, users};
use super::bearer::SigningKeys;
use super::caller::{RobotRecord, TokenRecord, UserRecord};
use super::error::AccessError;
use crate::clock::Clock;
use crate::database::{Database, DatabaseError, Transaction};

/// What is kept counts this long without asking.
const FRESH: Duration = Duration::from_secs(1);
/// Until here one request asks and the others go on; beyond, all wait for the answer.
const STALE: Duration = Duration::from_secs(3);
/// Entries of one kind that are kept.
const KEPT_MOST: usize = 10_000;

/// Whose a secret is.
#[derive(Debug, Clone)]
pub(crate) enum SecretOwner {
    Robot(String),
    Token(Arc<TokenRecord>),
}

/// What a request needs of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProjectRecord {
    pub(crate) public: bool,
}

/// Entries by name.
#[derive(Debug)]
struct Shelf<V>(RwLock<HashMap<String, Arc<V>>>);

impl<V> Default for Shelf<V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<V> Shelf<V> {
    fn get(&self, name: &str) -> Option<Arc<V>> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.get(name).cloned()
    }

    fn clear(&self) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// The database, and what was read from it.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) database: Database,
    clock: Clock,
    /// Grows whenever what is kept is forgotten: what was read before is not put in afterwards.
    generation: AtomicU64,
    revision: AtomicI64,
    /// When the revision was last asked for, in milliseconds of the monotonic clock.
    confirmed: AtomicU64,
    asking: tokio::sync::Mutex<()>,
    users: Shelf<UserRecord>,
    robots: Shelf<RobotRecord>,
    secrets: Shelf<SecretOwner>,
    tokens: Shelf<TokenRecord>,
    projects: Shelf<ProjectRecord>,
    public: Shelf<HashSet<String>>,
    keys: Shelf<SigningKeys>,
}

impl Directory {
    pub(crate) async fn open(database: Database, clock: Clock) -> Result<Self, DatabaseError> {
        let revision = database.read(revision).await?;
        let confirmed = millis(clock.elapsed());
        Ok(Self {
            database,
            clock,
            generation: AtomicU64::new(0),
            revision: AtomicI64::new(revision),
            confirmed: AtomicU64::new(confirmed),
            asking: tokio::sync::Mutex::default(),
            users: Shelf::default(),
            robots: Shelf::default(),
            secrets: Shelf::default(),
            tokens: Shelf::default(),
            projects: Shelf::default(),
            public: Shelf::default(),
            keys: Shelf::default(),
        })
    }

    /// Makes sure that what is kept is as new as promised.
    pub(crate) async fn refresh(&self) -> Result<(), DatabaseError> {
        let age = || {
            let confirmed = Duration::from_millis(self.confirmed.load(Ordering::Acquire));
            self.clock.elapsed().saturating_sub(confirmed)
        };
        if age() < FRESH {
            return Ok(());
        }
        let _asking = match age() < STALE {
            true => match self.asking.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(()),
            },
            false => self.asking.lock().await,
        };
        if age() < FRESH {
            return Ok(());
        }
        let asked = millis(self.clock.elapsed());
        let revision = self.database.read(revision).await?;
        if self.revision.swap(revision, Ordering::AcqRel) != revision {
            self.forget();
        }
        self.confirmed.store(asked, Ordering::Release);
        Ok(())
    }

    /// Forgets all that is kept.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.users.clear();
        self.robots.clear();
        self.secrets.clear();
        self.tokens.clear();
        self.projects.clear();
        self.public.clear();
        self.keys.clear();
    }

    /// Runs a change, raises the revision with it, and forgets what is kept.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut dyn Transaction) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let done = self.database.write(|transaction| {
            let result = change(transaction)?;
            transaction.execute(
                "UPDATE access_state SET revision = revision + 1 WHERE id = 1",
                &[],
            )?;
            Ok(result)
        });
        let done = done.await;
        self.forget();
        done
    }

    pub(crate) async fn user(&self, name: &str) -> Result<Option<Arc<UserRecord>>, AccessError> {
        self.find(&self.users, name, |t, name| users::record(t, name))
            .await
    }

    pub(crate) async fn robot(&self, name: &str) -> Result<Option<Arc<RobotRecord>>, AccessError> {
        self.find(&self.robots, name, |t, name| robots::record(t, name))
            .await
    }

    pub(crate) async fn token(&self, id: &str) -> Result<Option<Arc<TokenRecord>>, AccessError> {
        self.find(&self.tokens, id, |t, id| tokens::record(t, id))
            .await
    }

    /// Whose the secret with this fingerprint is.
    pub(crate) async fn secret(
        &self,
        fingerprint: &str,
    ) -> Result<Option<Arc<SecretOwner>>, AccessError> {
        let load = |t: &mut dyn Transaction, fingerprint: &str| {
            if let Some(token) = tokens::by_secret(t, fingerprint)? {
                return Ok(Some(SecretOwner::Token(Arc::new(token))));
            }
            Ok(robots::by_secret(t, fingerprint)?.map(SecretOwner::Robot))
        };
        self.find(&self.secrets, fingerprint, load).await
    }

    pub(crate) async fn project(&self, name: &str) -> Result<Option<ProjectRecord>, AccessError> {
        let load = |t: &mut dyn Transaction, name: &str| {
            let row = t.first("SELECT public FROM project WHERE name = $1", &[name.into()])?;
            row.map(|row| {
                Ok(ProjectRecord {
                    public: row.get(0)?,
                })
            })
            .transpose()
        };
        let found = self.find(&self.projects, name, load).await?;
        Ok(found.map(|record| *record))
    }

    /// The names of all public projects.
    pub(crate) async fn public_projects(&self) -> Result<Arc<HashSet<String>>, AccessError> {
        let load = |t: &mut dyn Transaction, _: &str| {
            let rows = t.query("SELECT name FROM project WHERE public = 1", &[])?;
            let names: Result<_, AccessError> = rows.iter().map(|row| Ok(row.get(0)?)).collect();
            names.map(Some)
        };
        Ok(self.find(&self.public, "", load).await?.unwrap_or_default())
    }

    pub(crate) async fn keys(&self) -> Result<Arc<SigningKeys>, AccessError> {
        let load = |t: &mut dyn Transaction, _: &str| {
            let rows = t.query(
                "SELECT id, secret FROM signing_key ORDER BY created DESC, id",
                &[],
            )?;
            let mut keys = vec![];
            for row in &rows {
                keys.push((row.get(0)?, row.get::<String>(1)?.into_bytes()));
            }
            Ok(Some(SigningKeys::new(keys)))
        };
        let keys = self.find(&self.keys, "", load).await?;
        Ok(keys.unwrap_or_else(|| Arc::new(SigningKeys::new([]))))
    }

    /// What is kept under `name`, or what `load` reads. That there is none is not kept: strangers could fill
    /// the memory with names of nothing.
    async fn find<V: Send + Sync + 'static>(
        &self,
        shelf: &Shelf<V>,
        name: &str,
        load: impl FnOnce(&mut dyn Transaction, &str) -> Result<Option<V>, AccessError> + Send + 'static,
    ) -> Result<Option<Arc<V>>, AccessError> {
        self.refresh().await?;
        if let Some(found) = shelf.get(name) {
            return Ok(Some(found));
        }
        let generation = self.generation.load(Ordering::Acquire);
        let key = name.to_owned();
        let read = self
            .database
            .read(move |transaction| load(transaction, &key));
        let Some(found) = read.await?.map(Arc::new) else {
            return Ok(None);
        };
        let mut map = shelf.0.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation.load(Ordering::Acquire) == generation {
            if map.len() >= KEPT_MOST {
                map.clear();
            }
            map.insert(name.to_owned(), Arc::clone(&found));
        }
        Ok(Some(found))
    }
}

fn revision(transaction: &mut dyn Transaction) -> Result<i64, DatabaseError> {
    let row = transaction.first("SELECT revision FROM access_state WHERE id = 1", &[])?;
    row.map_or(Ok(0), |row| row.get(0))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
