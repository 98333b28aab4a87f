//! Who may do what: nobody is asked, Basic, or Bearer with a token server of its own.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Shared;
use super::http::{Reply, Request, parameters};

/// How the registry finds out who asks.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// A user and a password with each request.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Tokens from `/token` on the same server. `password` is also good as a refresh token.
    Bearer {
        /// The user.
        user: String,
        /// The password.
        password: String,
        /// Whether anonymous users get tokens for pulling.
        anonymous_pull: bool,
        /// How long a token says that it is good, in seconds.
        expires_in: u64,
        /// Another URL of the token server than the right one.
        realm: Option<String>,
        /// Whether POST is known at the token server.
        post: bool,
    },
}

impl Auth {
    /// Basic for the user `kiln` with the password `secret`.
    #[must_use]
    pub fn basic() -> Self {
        Self::Basic {
            user: "kiln".to_owned(),
            password: "secret".to_owned(),
        }
    }

    /// Bearer for the user `kiln` with the password `secret`; anonymous users may pull.
    #[must_use]
    pub fn bearer() -> Self {
        Self::Bearer {
            user: "kiln".to_owned(),
            password: "secret".to_owned(),
            anonymous_pull: true,
            expires_in: 300,
            realm: None,
            post: true,
        }
    }
}

/// What a token allows.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    scopes: Vec<String>,
    until: Instant,
}

/// The answer of the token server, or a refusal; `None` when the request may go on.
pub(super) fn answer(shared: &Shared, request: &Request) -> Option<Reply> {
    match &shared.options.auth {
        Auth::None => None,
        Auth::Basic { user, password } => {
            let given = request.header("authorization");
            (given != Some(&basic(user, password))).then(|| {
                Reply::error(401, "UNAUTHORIZED", "authentication required")
                    .header("WWW-Authenticate", "Basic realm=\"kiln test\"")
            })
        }
        Auth::Bearer { .. } if request.path() == "/token" => Some(token(shared, request)),
        Auth::Bearer { realm, .. } => {
            let wanted = scopes(request);
            let given = request
                .header("authorization")
                .and_then(|value| value.strip_prefix("Bearer "));
            let tokens = shared.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let grant = given
                .and_then(|token| tokens.get(token))
                .filter(|grant| grant.until > Instant::now());
            let allowed =
                grant.is_some_and(|grant| wanted.iter().all(|scope| covers(&grant.scopes, scope)));
            if allowed {
                return None;
            }
            let own = format!("http://{}/token", shared.address);
            let realm = realm.as_deref().unwrap_or(&own);
            let error = if given.is_some() {
                ",error=\"insufficient_scope\""
            } else {
                ""
            };
            let challenge = format!(
                "Bearer realm=\"{realm}\",service=\"kiln test\",scope=\"{}\"{error}",
                wanted.join(" ")
            );
            Some(
                Reply::error(401, "UNAUTHORIZED", "authentication required")
                    .header("WWW-Authenticate", challenge),
            )
        }
    }
}

/// What a request needs.
fn scopes(request: &Request) -> Vec<String> {
    let path = request.path();
    if path == "/v2/_catalog" {
        return vec!["registry:catalog:*".to_owned()];
    }
    let Some(rest) = path.strip_prefix("/v2/").filter(|rest| !rest.is_empty()) else {
        return vec![];
    };
    let end = ["/manifests/", "/blobs/", "/tags/", "/referrers/"]
        .iter()
        .filter_map(|part| rest.rfind(part))
        .min();
    let name = &rest[..end.unwrap_or(rest.len())];
    let actions = match request.method.as_str() {
        "GET" | "HEAD" => "pull",
        "DELETE" => "delete",
        _ => "pull,push",
    };
    let mut scopes = vec![format!("repository:{name}:{actions}")];
    if let Some(from) = request.parameter("from") {
        scopes.push(format!("repository:{from}:pull"));
    }
    scopes
}

/// Whether `granted` has every action of `wanted`.
fn covers(granted: &[String], wanted: &str) -> bool {
    let Some((thing, actions)) = wanted.rsplit_once(':') else {
        return false;
    };
    actions.split(',').all(|action| {
        granted.iter().any(|scope| {
            scope.rsplit_once(':').is_some_and(|(granted, has)| {
                granted == thing && has.split(',').any(|has| has == action)
            })
        })
    })
}

fn token(shared: &Shared, request: &Request) -> Reply {
    let Auth::Bearer {
        user,
        password,
        anonymous_pull,
        expires_in,
        post,
        ..
    } = &shared.options.auth
    else {
        return Reply::new(404);
    };
    let form = String::from_utf8_lossy(&request.body).into_owned();
    let (known, scopes) = match request.method.as_str() {
        "GET" => {
            let given = request.header("authorization");
            let refresh = basic("<token>", password);
            let right = given == Some(&basic(user, password)) || given == Some(&refresh);
            if given.is_some() && !right {
                return Reply::error(401, "UNAUTHORIZED", "incorrect username or password");
            }
            (right, request.parameters("scope"))
        }
        "POST" if *post => {
            let field = |name: &str| {
                parameters(&form, name)
                    .into_iter()
                    .next()
                    .unwrap_or_default()
            };
            let right = match field("grant_type").as_str() {
                "refresh_token" => field("refresh_token") == *password,
                "password" => field("username") == *user && field("password") == *password,
                _ => false,
            };
            if !right {
                return Reply::json(401, &json!({"error": "invalid_grant"}));
            }
            (true, field("scope").split(' ').map(str::to_owned).collect())
        }
        _ => return Reply::error(404, "UNSUPPORTED", "not here"),
    };
    // A smaller grant is not an error.
    let granted = if known {
        scopes
    } else {
        let pull = scopes.iter().filter(|_| *anonymous_pull);
        let pull = pull.filter_map(|scope| scope.rsplit_once(':'));
        pull.map(|(thing, _)| format!("{thing}:pull")).collect()
    };
    let token = format!("token-{}", shared.number());
    let until = Instant::now() + Duration::from_secs(*expires_in);
    let grant = Grant {
        scopes: granted,
        until,
    };
    shared
        .tokens
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(token.clone(), grant);
    Reply::json(200, &json!({"token": token, "expires_in": expires_in}))
}

/// `Authorization: Basic` (RFC 7617; RFC 4648 section 4).
fn basic(user: &str, password: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = "Basic ".to_owned();
    for chunk in format!("{user}:{password}").as_bytes().chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place) & 0x3f) as usize];
            out.push(if place <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}
