//! Docker's token flow: credentials against a short-lived bearer token.
//!
//! Source: distribution's "Token Authentication Specification" (GET), "OAuth2 Token Authentication" (POST) and
//! "Token Scope Documentation". What is granted is what was asked for, cut down to what the account may do; less
//! than was asked for is no error, and nothing at all neither. Nobody gets tokens, too: for public projects.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::tokens::{self, NewToken};
use super::action::Action;
use super::authenticate::AuthenticationError;
use super::bearer::{Claims, LIFETIME};
use super::caller::{Caller, Ceiling, Identity, Proof};
use super::error::AccessError;
use super::scope::Scope;
use super::secret::{SecretKind, random_letters};
use super::token_request::{Grant, TokenRequest};
use super::{Access, Accounts};
use crate::clock::milliseconds;
use crate::name::RepositoryName;
/// The token, as JSON with these names.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// The token.
    pub token: String,
    /// The same, under OAuth 2's name.
    pub access_token: String,
    /// What it was granted, with blanks between.
    pub scope: String,
    /// Seconds for which it is good.
    pub expires_in: i64,
    /// Since when (RFC 3339).
    pub issued_at: String,
    /// Logs in without the password later. Only if it was asked for, and for users with a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenAnswer({})", self.scope)
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenRefusal {
    /// The credentials: answer as for any request.
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    /// The request is wrong: answer 400.
    #[error("{reason}")]
    Request {
        /// What is wrong.
        reason: String,
    },
}

impl From<AccessError> for TokenRefusal {
    fn from(error: AccessError) -> Self {
        Self::Authentication(AuthenticationError::Unavailable(error))
    }
}

pub(super) fn wrong(reason: impl Into<String>) -> TokenRefusal {
    TokenRefusal::Request {
        reason: reason.into(),
    }
}

impl Access {
    /// Gives a token. `authorization` is the request's header, which a form does not need.
    ///
    /// # Errors
    /// See [`TokenRefusal`].
    pub async fn token(
        &self,
        request: TokenRequest,
        authorization: Option<&str>,
        peer: IpAddr,
    ) -> Result<TokenAnswer, TokenRefusal> {
        let accounts = self.accounts()?;
        if request
            .service
            .as_deref()
            .is_some_and(|service| service != self.service())
        {
            return Err(wrong(format!(
                "this token service gives tokens for `{}`",
                self.service()
            )));
        }
        let (caller, old) = match &request.grant {
            Grant::Header => (self.authenticate(authorization, peer).await?, None),
            Grant::Password { name, password } => {
                (self.by_name(accounts, name, password, peer).await?, None)
            }
            Grant::Refresh(token) => {
                let header = format!("Bearer {token}");
                (
                    self.authenticate(Some(&header), peer).await?,
                    Some(token.clone()),
                )
            }
            Grant::Unsupported(grant) => {
                return Err(wrong(format!(
                    "`{grant}` is not a grant: `password` or `refresh_token`"
                )));
            }
        };
        if caller.grants.is_some() {
            return Err(wrong("a token of the token service buys no other token"));
        }
        let access = self.grant(accounts, &caller, &request.scopes).await?;
        let mut answer = self.sign(accounts, &caller, access).await?;
        answer.refresh_token = match old {
            Some(old) => Some(old),
            None if request.offline => self.refresh_token(&caller, &request.client).await?,
            None => None,
        };
        Ok(answer)
    }

    /// What of the scopes the caller may have. Scopes of one resource become one.
    async fn grant(
        &self,
        accounts: &Accounts,
        caller: &Caller,
        scopes: &[Scope],
    ) -> Result<Vec<Scope>, AccessError> {
        let mut granted: Vec<Scope> = vec![];
        for scope in scopes {
            let actions = match (scope.kind.as_str(), scope.name.as_str()) {
                ("repository", name) => self.actions(accounts, caller, name, scope).await?,
                // The catalog shows everybody what he may see.
                ("registry", "catalog") => scope.actions.clone(),
                _ => continue,
            };
            match granted
                .iter_mut()
                .find(|known| known.kind == scope.kind && known.name == scope.name)
            {
                Some(known) => {
                    known.actions.extend(actions);
                    known.actions.sort();
                    known.actions.dedup();
                }
                None if actions.is_empty() => {}
                None => granted.push(Scope {
                    kind: scope.kind.clone(),
                    name: scope.name.clone(),
                    actions,
                }),
            }
        }
        Ok(granted)
    }

    async fn actions(
        &self,
        accounts: &Accounts,
        caller: &Caller,
        name: &str,
        scope: &Scope,
    ) -> Result<Vec<String>, AccessError> {
        // A name that no repository can have grants nothing.
        let Ok(repository) = name.parse::<RepositoryName>() else {
            return Ok(vec![]);
        };
        let project = accounts.directory.project(repository.project()).await?;
        let granted = [Action::Pull, Action::Push, Action::Delete]
            .into_iter()
            .filter(|action| scope.has(*action))
            .filter(|action| caller.may(repository.project(), project, Some(&repository), *action));
        Ok(granted.map(|action| action.name().to_owned()).collect())
    }

    async fn sign(
        &self,
        accounts: &Accounts,
        caller: &Caller,
        access: Vec<Scope>,
    ) -> Result<TokenAnswer, TokenRefusal> {
        let now = self.now() / 1_000;
        let (by, epoch) = caller.subject();
        let scope: Vec<String> = access.iter().map(Scope::to_string).collect();
        let claims = Claims {
            iss: self.service().to_owned(),
            sub: caller.name().to_owned(),
            aud: self.service().to_owned(),
            exp: now + LIFETIME,
            nbf: now,
            iat: now,
            jti: random_letters::<16>().map_err(AccessError::from)?,
            access,
            by,
            epoch,
        };
        let keys = accounts.directory.keys().await?;
        let token = keys.sign(&claims).ok_or(AccessError::Ending)?;
        Ok(TokenAnswer {
            access_token: token.clone(),
            token,
            scope: scope.join(" "),
            expires_in: LIFETIME,
            issued_at: rfc3339(now),
            refresh_token: None,
        })
    }

    /// A refresh token for a user who showed his password. Whoever came with a token keeps that one.
    async fn refresh_token(
        &self,
        caller: &Caller,
        client: &str,
    ) -> Result<Option<String>, AccessError> {
        let (Identity::User(user), Proof::Password) = (&caller.identity, &caller.proof) else {
            return Ok(None);
        };
        let owner = user.name.clone();
        let client: String = client
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        let lifetime: Duration = self.0.options.refresh_lifetime;
        let new = NewToken {
            kind: SecretKind::Refresh,
            description: format!(
                "login by {}",
                if client.is_empty() {
                    "a client"
                } else {
                    &client
                }
            ),
            ceiling: Ceiling::Full,
            expires: Some(self.now().saturating_add(milliseconds(lifetime))),
        };
        let made = self.change(caller.actor(), move |t, by| {
            tokens::create(t, &owner, &new, by)
        });
        let (_, secret) = made.await?;
        Ok(Some(secret.reveal().to_owned()))
    }
}

/// Seconds since 1970 as `2026-01-31T12:00:00Z` (RFC 3339; the calendar by Howard Hinnant's `civil_from_days`).
fn rfc3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
