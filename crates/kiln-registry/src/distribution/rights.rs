//! Who asks, and whether they may: the answers 401, 403, 404 and 429 with what clients need to log in.
//!
//! Source: distribution's "Token Authentication Specification" for the challenge; distribution
//! specification, "Error Codes". A repository that the caller may not know of is answered as one that
//! does not exist.

use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};

use super::failure::{Code, Failure};
use crate::access::{Action, AuthenticationError, Caller, Challenge, Scope, Verdict};
use crate::metrics::Operation;
use crate::name::RepositoryName;
use crate::server::{Exchange, Origin, State};

/// Who the credentials belong to; to bring none is fine here.
pub(super) async fn authenticate(
    state: &State,
    exchange: &mut Exchange,
    origin: &Origin,
    parts: &Parts,
) -> Result<Caller, Failure> {
    let header = authorization(&parts.headers);
    let authenticated = state.access.authenticate(header, origin.client).await;
    let caller = authenticated.map_err(|error| not_authenticated(state, origin, error))?;
    if !caller.is_anonymous() {
        exchange.caller = Some(caller.name().to_owned());
    }
    Ok(caller)
}

/// The `Authorization` header; one that is no text counts as broken, not as absent.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?;
    Some(header.to_str().unwrap_or("\u{fffd}"))
}

/// What to answer to credentials that are not good.
pub(super) fn not_authenticated(
    state: &State,
    origin: &Origin,
    error: AuthenticationError,
) -> Failure {
    let text = error.to_string();
    match error {
        AuthenticationError::Invalid { .. } => {
            Failure::unauthorized(&challenge(state, origin).invalid(), &text)
        }
        AuthenticationError::TooMany { retry_after } => {
            Failure::too_many(retry_after.as_secs().max(1), &text)
        }
        error @ AuthenticationError::Unavailable(_) => {
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unknown, text)
                .header(RETRY_AFTER, HeaderValue::from(1))
                .cause(&error)
        }
    }
}

/// What a request needs the right to.
fn action(operation: Operation) -> Action {
    match operation {
        Operation::ManifestPut
        | Operation::UploadAppend
        | Operation::UploadCancel
        | Operation::UploadFinish
        | Operation::UploadStart
        | Operation::UploadStatus => Action::Push,
        Operation::BlobDelete | Operation::ManifestDelete => Action::Delete,
        // All are named, so that a new operation is thought about.
        Operation::BlobGet
        | Operation::BlobHead
        | Operation::Discover
        | Operation::ManifestGet
        | Operation::ManifestHead
        | Operation::Referrers
        | Operation::TagHistory
        | Operation::Tags => Action::Pull,
        // None of these is done to a repository; should one ever be, nobody gets by without every right.
        Operation::Api
        | Operation::Base
        | Operation::Catalog
        | Operation::Other
        | Operation::Probe
        | Operation::Token => Action::DeleteProject,
    }
}

/// What a token has to be granted. Who pushes pulls, too: clients look whether a layer is there.
fn scope(repository: &RepositoryName, action: Action) -> Scope {
    let actions: &[&str] = match action {
        Action::Push => &["pull", "push"],
        Action::Delete => &["delete"],
        _ => &["pull"],
    };
    Scope {
        kind: "repository".to_owned(),
        name: repository.to_string(),
        actions: actions.iter().map(|&action| action.to_owned()).collect(),
    }
}

/// Lets the request pass, or says why not.
pub(super) async fn check(
    state: &State,
    caller: &Caller,
    origin: &Origin,
    repository: &RepositoryName,
    operation: Operation,
) -> Result<(), Failure> {
    let action = action(operation);
    match state.access.check(caller, repository, action).await? {
        Verdict::Allowed => Ok(()),
        Verdict::NeedsLogin { insufficient } => {
            let mut challenge = challenge(state, origin).scope(scope(repository, action));
            if insufficient {
                challenge = challenge.insufficient();
            }
            let message = "log in, or with an account that has the right to this";
            Err(Failure::unauthorized(&challenge, message))
        }
        Verdict::Denied { hide: true } => Err(Failure::name_unknown()),
        Verdict::Denied { hide: false } => Err(Failure::new(
            StatusCode::FORBIDDEN,
            Code::Denied,
            format!("your account lacks the right to {action} here"),
        )),
    }
}

/// `/v2/` itself answers 401 unless a credential came, so that clients find out that and how they can
/// log in; pulling without an account works through a token, too.
pub(super) fn check_base(
    state: &State,
    caller: &Caller,
    origin: &Origin,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    if state.access.is_open() || !caller.is_anonymous() || headers.contains_key(AUTHORIZATION) {
        return Ok(());
    }
    Err(Failure::unauthorized(
        &challenge(state, origin),
        "log in first",
    ))
}

/// Whether a blob may be taken from there.
pub(super) async fn may_pull(
    state: &State,
    caller: &Caller,
    repository: &RepositoryName,
) -> Result<bool, Failure> {
    let verdict = state.access.permits(caller, repository, Action::Pull);
    Ok(verdict.await? == Verdict::Allowed)
}

/// Whether everything of the repository's project may be pulled.
pub(super) async fn may_pull_project(
    state: &State,
    caller: &Caller,
    repository: &RepositoryName,
) -> Result<bool, Failure> {
    let project = repository.project();
    let verdict = state.access.permits_project(caller, project, Action::Pull);
    Ok(verdict.await? == Verdict::Allowed)
}

fn challenge(state: &State, origin: &Origin) -> Challenge {
    Challenge::new(format!("{}/token", origin.base), state.access.service())
}
