//! Token servers.
//!
//! Source: the distribution project, "Token Authentication Specification" (GET) and "OAuth2 Token Authentication" (POST).

use std::time::{Duration, Instant};

use kiln_fetch::{Client, Method, Request, RequestBody, Response, Url};
use serde::Deserialize;

use super::scope::Scope;
use super::{Errand, basic_header, realm};
use crate::answer::Question;
use crate::credentials::Credential;
use crate::error::RemoteError;

/// The longest answer of a token server, in bytes. Tokens are sent as headers, which are limited anyway.
const MAX_ANSWER: u64 = 256 << 10;

/// What the specification assumes where an answer does not say how long its token is good.
const DEFAULT_LIFE: u64 = 60;

/// The longest life that is believed: a token that lasts longer is fetched anew after that time.
const MAX_LIFE: u64 = 24 * 60 * 60;

/// How kiln calls itself where OAuth2 wants to know.
const CLIENT_ID: &str = "kiln";

/// A token, and when it is to be renewed.
pub(super) struct Token {
    pub(super) value: String,
    pub(super) expires: Instant,
}

/// Where tokens come from.
pub(super) struct TokenServer {
    realm: Url,
    service: Option<String>,
}

impl TokenServer {
    /// The server that the registry at `home` named.
    pub(super) fn new(
        question: &Question<'_>,
        home: &Url,
        realm: &str,
        service: Option<String>,
    ) -> Result<Self, RemoteError> {
        let url = home.join(realm).map_err(|error| {
            question.nonsense(format!("its token server has no usable address: {error}"))
        })?;
        if !realm::is_as_safe(home, &url) {
            let shown = kiln_fetch::redact(realm);
            return Err(question.nonsense(format!("its token server {shown} is not encrypted")));
        }
        Ok(Self {
            realm: url,
            service,
        })
    }

    /// Whether it may see passwords of the registry at `home`.
    pub(super) fn is_trusted(&self, home: &Url, trusted: &[String]) -> bool {
        realm::is_related(home, &self.realm, trusted)
    }

    /// A token that allows `scopes` and `more`, or less: a smaller grant is not an error.
    pub(super) fn token(
        &self,
        errand: Errand<'_>,
        credential: Option<&Credential>,
        more: &[String],
    ) -> Result<Token, RemoteError> {
        let Errand { client, scopes, .. } = errand;
        let mut wanted: Vec<String> = scopes.iter().map(Scope::to_string).collect();
        wanted.extend(
            more.iter()
                .filter(|scope| scope.len() <= 1024)
                .take(10)
                .cloned(),
        );
        wanted.sort();
        wanted.dedup();
        let username = credential.and_then(Credential::username);
        let question = Question {
            user: username,
            ..*errand.question
        };
        let mut response = match credential {
            Some(Credential::RegistryToken(token)) => {
                return Ok(Token {
                    value: token.clone(),
                    expires: Instant::now() + Duration::from_secs(MAX_LIFE),
                });
            }
            Some(Credential::IdentityToken { token, .. }) => {
                let posted = self.post(
                    client,
                    &[("grant_type", "refresh_token"), ("refresh_token", token)],
                    &wanted,
                )?;
                // Servers that know only the older way say that there is nothing to post to.
                if matches!(posted.status, 404 | 405) {
                    self.get(client, Some(("<token>", token)), &wanted)?
                } else {
                    posted
                }
            }
            Some(Credential::Password { username, password }) => {
                let got = self.get(client, Some((username, password)), &wanted)?;
                if matches!(got.status, 404 | 405) {
                    let grant = [
                        ("grant_type", "password"),
                        ("username", username),
                        ("password", password),
                    ];
                    self.post(client, &grant, &wanted)?
                } else {
                    got
                }
            }
            None => self.get(client, None, &wanted)?,
        };
        if !response.is_success() {
            // The thing that was asked for may well exist: it is the token that is not to be had.
            return Err(match question.refused(&mut response) {
                RemoteError::NotFound { what, reason } => RemoteError::Status {
                    what,
                    host: self.realm.host().to_owned(),
                    status: 404,
                    reason,
                },
                error => error,
            });
        }
        self.read(&question, &mut response)
    }

    fn read(&self, question: &Question<'_>, response: &mut Response) -> Result<Token, RemoteError> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<u64>,
        }
        let nonsense = |problem: &str| {
            question.nonsense(format!("its token server {} {problem}", self.realm.host()))
        };
        let body = question.body(response, MAX_ANSWER)?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| nonsense("sent no JSON with a token"))?;
        let value = answer
            .token
            .or(answer.access_token)
            .filter(|token| !token.is_empty());
        let value = value.ok_or_else(|| nonsense("sent an empty token"))?;
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(nonsense("sent a token that cannot stand in a header"));
        }
        let life = answer
            .expires_in
            .unwrap_or(DEFAULT_LIFE)
            .clamp(DEFAULT_LIFE, MAX_LIFE);
        // A token must outlive the request that it is sent with. The server's clock is not looked at: ours may differ.
        let expires = Instant::now() + Duration::from_secs(life - life / 10);
        Ok(Token { value, expires })
    }

    fn get(
        &self,
        client: &Client,
        user: Option<(&str, &str)>,
        scopes: &[String],
    ) -> Result<Response, RemoteError> {
        let mut url = self.realm.to_string();
        let mut add = |name: &str, value: &str| {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(name);
            url.push('=');
            url.push_str(&form(value));
        };
        if let Some(service) = &self.service {
            add("service", service);
        }
        for scope in scopes {
            add("scope", scope);
        }
        let mut headers = vec![];
        if let Some((username, password)) = user {
            add("account", username);
            headers.push(("authorization".to_owned(), basic_header(username, password)));
        }
        let request = Request {
            headers,
            ..Request::new(url)
        };
        Ok(client.get(&request)?)
    }

    fn post(
        &self,
        client: &Client,
        grant: &[(&str, &str)],
        scopes: &[String],
    ) -> Result<Response, RemoteError> {
        let scope = scopes.join(" ");
        let mut fields = grant.to_vec();
        fields.extend([("client_id", CLIENT_ID), ("scope", &scope)]);
        fields.extend(self.service.as_deref().map(|service| ("service", service)));
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", form(value)))
            .collect();
        let request = Request {
            repeatable: true,
            ..Request::new(self.realm.to_string())
        };
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let body = pairs.join("&");
        Ok(client.send(Method::Post, &request, RequestBody::Bytes(body.as_bytes()))?)
    }
}

/// Percent-encodes for a query or a form (RFC 3986 section 2.3: everything but unreserved characters).
pub(crate) fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
