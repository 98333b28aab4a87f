//! Who may do what: users, projects with roles, robot accounts, tokens, Docker's token flow, limits against
//! guessing, and the audit log. The decisions are in `docs/design/registry-access.md`.
//!
//! A server asks three questions of a request: [`Access::authenticate`] says who makes it,
//! [`Access::permits`] whether he may, [`Access::audit`] takes note. All state is in the database; what is
//! kept in memory is a copy that follows the database within a second (`directory`), or counts that
//! may differ between replicas (`limits`).

mod accounts;
mod action;
pub mod audit;
mod authenticate;
mod bearer;
mod caller;
mod challenge;
mod credentials;
mod directory;
mod error;
mod first_start;
mod housekeeping;
mod limits;
mod names;
mod password;
mod permits;
mod robot_scope;
mod role;
mod scope;
mod secret;
mod token_request;
mod token_service;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

pub use accounts::Page;
pub use accounts::projects::{Member, Project};
pub use accounts::robots::Robot;
pub use accounts::tokens::{Token, TokenKind};
pub use accounts::users::User;
pub use action::{Action, table as permission_table};
pub use audit::{Actor, ActorKind, AuditEntry, AuditFilter, AuditPage, Event, Outcome};
pub use authenticate::AuthenticationError;
pub use caller::{Caller, Ceiling};
pub use challenge::Challenge;
pub use error::{AccessError, Thing};
pub use first_start::FirstAdministrator;
pub use limits::LoginLimits;
pub use names::{AccountName, NameError, ProjectName};
pub use password::{PASSWORD_LEAST, PASSWORD_MOST, PasswordCost, PasswordError};
pub use permits::{Effective, Verdict, Visible};
pub use robot_scope::{RobotAction, RobotScope, RobotScopeError};
pub use role::{Role, UnknownRole};
pub use scope::Scope;
pub use secret::{NoRandomness, Secret, SecretKind};
pub use token_request::TokenRequest;
pub use token_service::{TokenAnswer, TokenRefusal};
pub use verifier::VerifierLimits;

pub(crate) use accounts::projects::{Listed, ProjectChange};
pub(crate) use accounts::robots::{NewRobot, RobotChange};
pub(crate) use accounts::tokens::NewToken;
pub(crate) use accounts::users::UserChange;
pub(crate) use accounts::{By, projects, robots, tokens, unknown, users};

use audit::Queue;
use directory::Directory;
use limits::Limits;
use password::StoredPassword;
use verifier::Verifier;

use crate::clock::Clock;
use crate::database::{Database, DatabaseError, Transaction};

/// How accounts are kept. The defaults are for production.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// The name of this registry in Docker's token flow: the token's audience.
    pub service: String,
    /// What verifying a password costs. Stored hashes keep theirs.
    pub password_cost: PasswordCost,
    /// How many passwords are verified at once, and how long they are known.
    pub verifier: VerifierLimits,
    /// How many failed logins are free.
    pub logins: LoginLimits,
    /// How long lines of the audit log are kept; `None` for ever.
    pub keep_audit: Option<Duration>,
    /// How long what `docker login` keeps is good.
    pub refresh_lifetime: Duration,
    /// The first administrator's password, for those who set servers up by program. Random when absent.
    pub first_password: Option<String>,
    /// Where the time comes from.
    pub clock: Clock,
}

impl Default for AccessOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            service: "kiln".into(),
            password_cost: PasswordCost::default(),
            verifier: VerifierLimits::default(),
            logins: LoginLimits::default(),
            keep_audit: Some(DAY * 365),
            refresh_lifetime: DAY * 90,
            first_password: None,
            clock: Clock::system(),
        }
    }
}

/// Accounts, projects and rights. Clones share everything.
#[derive(Debug, Clone)]
pub struct Access(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: AccessOptions,
    /// `None` on an open server.
    accounts: Option<Accounts>,
}

#[derive(Debug)]
struct Accounts {
    directory: Directory,
    verifier: Verifier,
    limits: Limits,
    queue: Queue,
}

impl Access {
    /// A server without accounts: everybody may do everything. For trying out on loopback, and for tests.
    #[must_use]
    pub fn open() -> Self {
        Self(Arc::new(Shared {
            options: AccessOptions::default(),
            accounts: None,
        }))
    }

    /// Starts with the accounts of a database. When there is no user yet, the first administrator is made and
    /// given back with his password, which is nowhere else: show it once.
    ///
    /// Writes of the audit log and housekeeping run on the current tokio runtime until the last clone is
    /// dropped; [`Access::close`] before that writes what still waits.
    ///
    /// # Errors
    /// When the database fails, or [`AccessOptions::first_password`] breaks the rules.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn start(
        database: Database,
        options: AccessOptions,
    ) -> Result<(Self, Option<FirstAdministrator>), AccessError> {
        let (verifying, cost, clock) = (
            options.verifier,
            options.password_cost,
            options.clock.clone(),
        );
        let verifier = blocking(move || Ok(Verifier::new(verifying, cost, clock)?)).await?;
        let directory = Directory::open(database, options.clock.clone()).await?;
        let access = Self(Arc::new(Shared {
            accounts: Some(Accounts {
                verifier,
                limits: Limits::new(options.logins, options.clock.clone()),
                queue: Queue::new(options.clock.clone()),
                directory,
            }),
            options,
        }));
        let first = access.first_start().await?;
        access.spawn_housekeeping();
        Ok((access, first))
    }

    /// Whether the server has no accounts.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.accounts.is_none()
    }

    /// The name of this registry in Docker's token flow.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.options.service
    }

    /// Takes note of an event. Never waits and never fails: the event is written within a second, in a batch.
    /// Changes of accounts and projects are noted by themselves.
    pub fn audit(&self, event: Event) {
        if let Some(accounts) = &self.0.accounts {
            accounts.queue.add(event);
        }
    }

    /// Takes note that `caller` did `action` to `subject` in `project`, or was refused.
    pub fn note(
        &self,
        caller: &Caller,
        action: &str,
        outcome: Outcome,
        project: Option<&str>,
        subject: &str,
    ) {
        let event = Event::new(
            self.now(),
            caller.actor(),
            action,
            outcome,
            project,
            subject,
        );
        self.audit(event);
    }

    /// Writes the events that wait. Call it when the server ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close(&self) -> Result<(), DatabaseError> {
        match &self.0.accounts {
            Some(accounts) => accounts.queue.flush(&accounts.directory.database).await,
            None => Ok(()),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.0.options.clock.now()
    }

    fn accounts(&self) -> Result<&Accounts, AccessError> {
        self.0.accounts.as_ref().ok_or(AccessError::Open)
    }

    /// Reads accounts or projects.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        self.accounts()?.directory.database.read(work).await
    }

    /// Changes accounts or projects. The change writes its own events.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        actor: Actor,
        work: impl FnOnce(&mut dyn Transaction, &By) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let by = By {
            actor,
            now: self.now(),
        };
        let directory = &self.accounts()?.directory;
        directory
            .change(move |transaction| work(transaction, &by))
            .await
    }

    /// Holds a new password to the rules and hashes it.
    pub(crate) async fn hash_password(
        &self,
        name: &AccountName,
        password: String,
    ) -> Result<StoredPassword, AccessError> {
        password::check(name, &password)?;
        let cost = self.0.options.password_cost;
        blocking(move || Ok(password::hash(&password, cost)?)).await
    }
}

/// Work that takes tens of milliseconds of a processor.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccessError> + Send + 'static,
) -> Result<T, AccessError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(AccessError::Ending))
}
