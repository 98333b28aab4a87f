//! Who makes a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::audit::{Actor, ActorKind, Event, Outcome, Used};
use super::bearer::{self, Claims, Subject};
use super::caller::{Caller, Ceiling, Identity, Proof, TokenRecord};
use super::credentials::Credentials;
use super::directory::SecretOwner;
use super::error::AccessError;
use super::names::AccountName;
use super::secret::{Secret, SecretKind};
use super::verifier::Busy;
use super::{Access, Accounts, UserChange, users};

/// Why a request is not taken for its account's.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The credentials are not good: answer 401.
    #[error("{reason}")]
    Invalid {
        /// What is wrong, without telling a guesser more than he knows.
        reason: &'static str,
    },
    /// Too many failed before, or too many log in at once: answer 429 and `Retry-After`.
    #[error("too many logins: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// How long to wait; at least a second.
        retry_after: Duration,
    },
    /// The accounts cannot be read now: answer 503.
    #[error("accounts cannot be read now")]
    Unavailable(#[from] AccessError),
}

const WRONG: AuthenticationError = AuthenticationError::Invalid {
    reason: "the name or the password is wrong",
};
const NO_TOKEN: AuthenticationError = AuthenticationError::Invalid {
    reason: "the token is not known, or has ended",
};
const NOT_UNDERSTOOD: AuthenticationError = AuthenticationError::Invalid {
    reason: "the Authorization header is neither Basic nor Bearer, or is broken",
};

/// What Docker's clients write for a name when they have an identity token.
const NO_NAME: &str = "<token>";

impl Access {
    /// Who makes a request with this `Authorization` header from that address. Without a header, nobody: that
    /// is no error.
    ///
    /// # Errors
    /// See [`AuthenticationError`].
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        let Some(accounts) = &self.0.accounts else {
            return Ok(Caller::new(Identity::Everybody, Proof::Nothing, peer));
        };
        let Some(header) = authorization else {
            return Ok(Caller::anonymous(peer));
        };
        match Credentials::parse(header) {
            Err(_) => Err(NOT_UNDERSTOOD),
            Ok(None) => Ok(Caller::anonymous(peer)),
            Ok(Some(Credentials::Basic { name, password })) => {
                self.by_name(accounts, &name, &password, peer).await
            }
            Ok(Some(Credentials::Bearer(text))) => match Secret::parse(&text) {
                Some(secret) => self.by_secret(accounts, &secret, None, peer).await,
                None if bearer::looks_like_token(&text) => {
                    self.by_token(accounts, &text, peer).await
                }
                None => Err(NO_TOKEN),
            },
        }
    }

    /// A name, and a password or one of kiln's tokens in its place.
    pub(super) async fn by_name(
        &self,
        accounts: &Accounts,
        name: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        match Secret::parse(password) {
            Some(secret) => self.by_secret(accounts, &secret, Some(name), peer).await,
            None => self.by_password(accounts, name, password, peer).await,
        }
    }

    async fn by_password(
        &self,
        accounts: &Accounts,
        name: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        let user = accounts.directory.user(name).await?;
        let good = |user| Caller::new(Identity::User(user), Proof::Password, peer);
        if let Some(user) = &user
            && !user.disabled
            && accounts.verifier.knows(name, password, user.epoch)
        {
            return Ok(good(Arc::clone(user)));
        }
        let check = || accounts.limits.check(name, peer);
        let too_many = |wait: Duration| {
            self.login_refused(name, peer);
            AuthenticationError::TooMany {
                retry_after: wait.max(Duration::from_secs(1)),
            }
        };
        check().map_err(too_many)?;
        let account = user.as_ref().map(|user| (user.epoch, &user.password));
        let right = accounts
            .verifier
            .verify(name, password, account, check)
            .await;
        let right = match right {
            Ok(Ok(right)) => right,
            Ok(Err(wait)) => return Err(too_many(wait)),
            Err(Busy) => {
                return Err(AuthenticationError::TooMany {
                    retry_after: Duration::from_secs(1),
                });
            }
        };
        match user.filter(|user| right && !user.disabled) {
            Some(user) => {
                accounts.limits.succeeded(name, peer);
                Ok(good(user))
            }
            None => {
                accounts.limits.failed(name, peer);
                self.login_refused(name, peer);
                Err(WRONG)
            }
        }
    }

    /// Gives a user another password, if he knows the one that he has. Wrong ones count as failed logins.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        current: &str,
        new: String,
    ) -> Result<(), AuthenticationError> {
        let accounts = self.accounts()?;
        let name = caller.name().to_owned();
        let proved = self
            .by_password(accounts, &name, current, caller.address)
            .await;
        if let Err(AuthenticationError::Invalid { .. }) = proved {
            return Err(AccessError::WrongPassword.into());
        }
        proved?;
        let account: AccountName = name.parse().map_err(AccessError::from)?;
        let change = UserChange {
            password: Some(self.hash_password(&account, new).await?),
            ..UserChange::default()
        };
        let changed = self.change(caller.actor(), move |t, by| {
            users::change(t, &name, &change, by)
        });
        changed.await?;
        Ok(())
    }

    async fn by_secret(
        &self,
        accounts: &Accounts,
        secret: &Secret,
        name: Option<&str>,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        let owner = accounts.directory.secret(&secret.fingerprint()).await?;
        let named = |owner: &str| name.is_none_or(|name| name == owner || name == NO_NAME);
        let caller = match owner.as_deref() {
            Some(SecretOwner::Robot(robot)) if named(robot) => {
                let caller = self.robot(accounts, robot, None, peer).await?;
                accounts.queue.used(Used::Robot(robot.clone()));
                Some(caller)
            }
            Some(SecretOwner::Token(token)) if named(&token.owner) => {
                let caller = self.token_user(accounts, token, peer).await?;
                accounts.queue.used(Used::Token(token.id.clone()));
                Some(caller)
            }
            _ => None,
        };
        caller.ok_or_else(|| {
            self.login_refused(name.unwrap_or_default(), peer);
            NO_TOKEN
        })
    }

    /// A robot that is not over. `epoch` is what a bearer token says.
    async fn robot(
        &self,
        accounts: &Accounts,
        name: &str,
        epoch: Option<i64>,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        let robot = accounts.directory.robot(name).await?;
        let robot = robot.filter(|robot| {
            !robot.disabled
                && self.lasts(robot.expires)
                && epoch.is_none_or(|epoch| epoch == robot.epoch)
        });
        match robot {
            Some(robot) => Ok(Caller::new(Identity::Robot(robot), Proof::Robot, peer)),
            None => {
                self.login_refused(name, peer);
                Err(NO_TOKEN)
            }
        }
    }

    /// The user of a token that is not over.
    async fn token_user(
        &self,
        accounts: &Accounts,
        token: &TokenRecord,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        let user = accounts.directory.user(&token.owner).await?;
        match user.filter(|user| !user.disabled && self.lasts(token.expires)) {
            Some(user) => Ok(Caller {
                ceiling: token.ceiling,
                ..Caller::new(
                    Identity::User(user),
                    Proof::Token(token.kind, token.id.clone()),
                    peer,
                )
            }),
            None => {
                self.login_refused(&token.owner, peer);
                Err(NO_TOKEN)
            }
        }
    }

    /// A token of the token service.
    async fn by_token(
        &self,
        accounts: &Accounts,
        text: &str,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        let keys = accounts.directory.keys().await?;
        let seconds = self.now() / 1_000;
        let claims = keys
            .verify(text, self.service(), seconds)
            .map_err(|_| NO_TOKEN)?;
        let caller = self.subject(accounts, &claims, peer).await?;
        Ok(Caller {
            grants: Some(claims.access.into()),
            ..caller
        })
    }

    /// The account that a token of the token service stands for, if that still is what it was.
    async fn subject(
        &self,
        accounts: &Accounts,
        claims: &Claims,
        peer: IpAddr,
    ) -> Result<Caller, AuthenticationError> {
        match &claims.by {
            Subject::Anonymous => Ok(Caller::anonymous(peer)),
            Subject::Robot => {
                self.robot(accounts, &claims.sub, Some(claims.epoch), peer)
                    .await
            }
            Subject::User => {
                let user = accounts.directory.user(&claims.sub).await?;
                let user = user.filter(|user| !user.disabled && user.epoch == claims.epoch);
                let identity = user.map(Identity::User).ok_or(NO_TOKEN)?;
                Ok(Caller::new(identity, Proof::Password, peer))
            }
            Subject::Token(id) => {
                let token = accounts.directory.token(id).await?;
                let token = token
                    .filter(|token| token.owner == claims.sub)
                    .ok_or(NO_TOKEN)?;
                self.token_user(accounts, &token, peer).await
            }
        }
    }

    fn lasts(&self, expires: Option<i64>) -> bool {
        expires.is_none_or(|expires| self.now() < expires)
    }

    /// A login was refused. The name is what the client says; nobody is known to be it.
    fn login_refused(&self, name: &str, peer: IpAddr) {
        let actor = Actor {
            name: String::new(),
            kind: ActorKind::Anonymous,
            address: Some(peer),
        };
        let shown: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
        self.audit(Event::new(
            self.now(),
            actor,
            "login",
            Outcome::Denied,
            None,
            shown,
        ));
    }
}

impl Caller {
    /// What a token for this caller says of how he proved himself, and his epoch.
    pub(super) fn subject(&self) -> (Subject, i64) {
        match (&self.identity, &self.proof) {
            (Identity::Everybody | Identity::Anonymous, _) => (Subject::Anonymous, 0),
            (Identity::Robot(robot), _) => (Subject::Robot, robot.epoch),
            (Identity::User(user), Proof::Token(_, id)) => (Subject::Token(id.clone()), user.epoch),
            (Identity::User(user), _) => (Subject::User, user.epoch),
        }
    }

    /// Whether a person showed his password, now or when he logged in at his machine: what making tokens needs,
    /// so that one token cannot make another that outlives it.
    pub(crate) fn knows_password(&self) -> bool {
        let refresh = matches!(self.proof, Proof::Token(SecretKind::Refresh, _));
        let user = matches!(self.identity, Identity::User(_));
        user && self.ceiling == Ceiling::Full
            && self.grants.is_none()
            && (self.proof == Proof::Password || refresh)
    }
}
