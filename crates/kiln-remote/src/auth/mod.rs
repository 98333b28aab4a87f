//! Proving to a registry who asks: Basic, or Bearer with tokens that are kept until they expire.
//!
//! Nothing is sent before the registry asks for it. What it asks for is learnt once per host.

mod challenge;
pub(crate) mod realm;
mod scope;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kiln_fetch::{Client, Response, Url, base64};

pub(crate) use challenge::Challenge;
pub(crate) use scope::Scope;

use crate::answer::Question;
use crate::credentials::{Credential, Credentials};
use crate::error::RemoteError;
pub(crate) use token::form;
use token::{Token, TokenServer};

/// What goes into the `Authorization` header, and whose it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proof {
    /// The header's value; `None` to send none.
    pub(crate) header: Option<String>,
    /// The user it stands for.
    pub(crate) user: Option<String>,
}

/// What the proof is for.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub(crate) client: &'a Client,
    pub(crate) question: &'a Question<'a>,
    /// The host that asks for the proof.
    pub(crate) home: &'a Url,
    /// The repository that credentials are looked up for.
    pub(crate) repository: &'a str,
    pub(crate) scopes: &'a [Scope],
}

/// What is known about proving who asks at one host.
pub(crate) struct Authenticator {
    credentials: Arc<dyn Credentials>,
    trusted_realms: Vec<String>,
    /// The name under which credentials are kept: the host as people write it.
    registry: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scheme: Option<Scheme>,
    /// By repository, since credentials may be kept for parts of a registry.
    found: HashMap<String, Option<Credential>>,
    tokens: HashMap<Vec<Scope>, Kept>,
}

enum Scheme {
    Basic,
    Bearer(TokenServer),
}

struct Kept {
    token: Token,
    /// What the registry wanted beyond what we knew to ask for.
    more: Vec<String>,
}

impl Authenticator {
    pub(crate) fn new(
        credentials: Arc<dyn Credentials>,
        registry: &str,
        trusted_realms: Vec<String>,
    ) -> Self {
        Self {
            credentials,
            trusted_realms,
            registry: registry.to_owned(),
            state: Mutex::default(),
        }
    }

    /// The lock is held while a token is fetched: others who need the same one wait for it instead of fetching their own.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to send, by what is known so far.
    pub(crate) fn proof(&self, errand: Errand<'_>) -> Result<Proof, RemoteError> {
        let Errand {
            repository, scopes, ..
        } = errand;
        let mut state = self.state();
        let State {
            scheme,
            found,
            tokens,
        } = &mut *state;
        match scheme {
            None => Ok(Proof::default()),
            Some(Scheme::Basic) => {
                let credential = self.credential(found, repository)?;
                Ok(credential.map(basic).unwrap_or_default())
            }
            Some(Scheme::Bearer(server)) => {
                let credential = self.credential(found, repository)?;
                let more = match tokens.get(scopes) {
                    Some(kept) if kept.token.expires > Instant::now() => {
                        return Ok(bearer(&kept.token, credential));
                    }
                    Some(kept) => kept.more.clone(),
                    None => vec![],
                };
                let token = server.token(errand, credential, &more)?;
                let proof = bearer(&token, credential);
                tokens.insert(scopes.to_vec(), Kept { token, more });
                Ok(proof)
            }
        }
    }

    /// Takes in a 401 that came for `sent`. `None` if there is nothing else to try.
    pub(crate) fn challenged(
        &self,
        errand: Errand<'_>,
        sent: &Proof,
        response: &Response,
    ) -> Result<Option<Proof>, RemoteError> {
        let Errand {
            home,
            repository,
            scopes,
            ..
        } = errand;
        let Some(challenge) = Challenge::choose(response.headers.all("www-authenticate")) else {
            return Ok(None);
        };
        let mut state = self.state();
        let State {
            scheme,
            found,
            tokens,
        } = &mut *state;
        let credential = self.credential(found, repository)?;
        match challenge {
            Challenge::Basic => {
                *scheme = Some(Scheme::Basic);
                let proof = credential.map(basic).unwrap_or_default();
                Ok((proof.header.is_some() && proof.header != sent.header).then_some(proof))
            }
            Challenge::Bearer {
                realm,
                service,
                scopes: more,
            } => {
                let server = TokenServer::new(errand.question, home, &realm, service)?;
                if credential.is_some_and(Credential::is_secret)
                    && !server.is_trusted(home, &self.trusted_realms)
                {
                    return Err(RemoteError::ForeignRealm {
                        host: self.registry.clone(),
                        realm: kiln_fetch::redact(&realm),
                    });
                }
                // Another thread may have fetched a new token since ours was sent.
                if let Some(kept) = tokens.get(scopes) {
                    let proof = bearer(&kept.token, credential);
                    if kept.token.expires > Instant::now() && proof.header != sent.header {
                        return Ok(Some(proof));
                    }
                }
                let token = server.token(errand, credential, &more)?;
                let proof = bearer(&token, credential);
                tokens.insert(scopes.to_vec(), Kept { token, more });
                *scheme = Some(Scheme::Bearer(server));
                Ok(Some(proof))
            }
        }
    }

    fn credential<'a>(
        &self,
        found: &'a mut HashMap<String, Option<Credential>>,
        repository: &str,
    ) -> Result<Option<&'a Credential>, RemoteError> {
        if !found.contains_key(repository) {
            let credential = self.credentials.find(&self.registry, repository)?;
            found.insert(repository.to_owned(), credential);
        }
        Ok(found.get(repository).and_then(Option::as_ref))
    }
}

/// `Authorization: Basic` (RFC 7617).
fn basic(credential: &Credential) -> Proof {
    match credential {
        Credential::Password { username, password } => Proof {
            header: Some(basic_header(username, password)),
            user: Some(username.clone()),
        },
        // What an identity token is to a token server, it cannot be to a registry that wants a password.
        Credential::IdentityToken { .. } => Proof::default(),
        Credential::RegistryToken(token) => Proof {
            header: Some(format!("Bearer {token}")),
            user: None,
        },
    }
}

pub(crate) fn basic_header(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        base64::encode(format!("{username}:{password}").as_bytes())
    )
}

fn bearer(token: &Token, credential: Option<&Credential>) -> Proof {
    Proof {
        header: Some(format!("Bearer {}", token.value)),
        user: credential.and_then(Credential::username).map(str::to_owned),
    }
}
