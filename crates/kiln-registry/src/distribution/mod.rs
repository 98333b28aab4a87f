//! The distribution API: every endpoint below `/v2/`.
//!
//! Source: OCI distribution specification, version 1.1 and what its main branch adds. Answers are
//! built by hand on hyper's types; there is no framework between a request and the content.

mod blobs;
mod errors;
mod failure;
mod history;
mod listings;
mod manifests;
mod query;
mod range;
mod ranges;
mod rights;
mod route;
pub(crate) mod token;
mod uploads;
mod warning;

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LINK, LOCATION};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::access::{Caller, Outcome};
use crate::metrics::Operation;
use crate::name::RepositoryName;
use crate::server::{Exchange, Origin, ReplyBody, RequestBody, State};

pub(crate) use failure::chain;
use failure::{Code, Failure};
use query::{Query, decode};
use route::Route;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

type Answer = Result<Response<ReplyBody>, Failure>;

/// A request for one repository, by someone who may make it.
struct Call<'a> {
    state: &'a State,
    caller: &'a Caller,
    repository: RepositoryName,
    headers: &'a HeaderMap,
    query: Query<'a>,
}

impl Call<'_> {
    /// Takes note of a change for the audit.
    fn note(&self, action: &str, what: impl std::fmt::Display) {
        let repository = &self.repository;
        let separator = if what.to_string().contains(':') {
            '@'
        } else {
            ':'
        };
        self.state.access.note(
            self.caller,
            action,
            Outcome::Done,
            Some(repository.project()),
            &format!("{repository}{separator}{what}"),
        );
    }
}

/// Answers a request below `/v2`.
pub(crate) async fn handle(
    state: &Arc<State>,
    exchange: &mut Exchange,
    origin: &Origin,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let (parts, body) = request.into_parts();
    let answer = serve(state, exchange, origin, &parts, body).await;
    let mut response = answer.unwrap_or_else(|mut failure| {
        exchange.cause = failure.take_cause();
        failure.into_response()
    });
    // Docker's clients look for it; the specification says nothing against it.
    let version = HeaderValue::from_static("registry/2.0");
    response.headers_mut().insert(API_VERSION, version);
    response
}

async fn serve(
    state: &Arc<State>,
    exchange: &mut Exchange,
    origin: &Origin,
    parts: &Parts,
    body: Incoming,
) -> Answer {
    let not_found = || {
        Failure::new(
            StatusCode::NOT_FOUND,
            Code::Unsupported,
            "there is no such endpoint",
        )
    };
    let path = decode(parts.uri.path()).ok_or_else(not_found)?;
    let route = Route::parse(&path).ok_or_else(not_found)?;
    let operation = operation(&route, &parts.method);
    let operation = operation.ok_or_else(|| Failure::method(route.methods()))?;
    exchange.operation = operation;
    let caller = rights::authenticate(state, exchange, origin, parts).await?;
    let query = Query::new(parts.uri.query());
    let Some(name) = route.name() else {
        if route == Route::Base {
            rights::check_base(state, &caller, origin, &parts.headers)?;
        }
        return listings::of_registry(state, &caller, route, query).await;
    };
    let repository: RepositoryName = name
        .parse()
        .map_err(|error: crate::name::InvalidName| Failure::name_invalid(error.to_string()))?;
    rights::check(state, &caller, origin, &repository, operation).await?;
    let call = Call {
        state,
        caller: &caller,
        repository,
        headers: &parts.headers,
        query,
    };
    let mut answer = dispatch(&call, exchange, route, operation, body).await;
    if let Ok(response) = &mut answer
        && matches!(
            operation,
            Operation::ManifestGet | Operation::ManifestHead | Operation::ManifestPut
        )
    {
        warning::warn(&call, response);
    }
    answer
}

async fn dispatch(
    call: &Call<'_>,
    exchange: &mut Exchange,
    route: Route<'_>,
    operation: Operation,
    body: Incoming,
) -> Answer {
    match (route, operation) {
        (Route::Blob(_, digest), Operation::BlobHead) => blobs::head(call, digest).await,
        (Route::Blob(_, digest), Operation::BlobGet) => blobs::get(call, digest).await,
        (Route::Blob(_, digest), _) => blobs::delete(call, digest).await,
        (Route::Manifest(_, reference), Operation::ManifestHead | Operation::ManifestGet) => {
            manifests::get(call, reference).await
        }
        (Route::Manifest(_, reference), Operation::ManifestPut) => {
            let body = receive(call, exchange, body, kiln_oci::MAX_DOCUMENT_SIZE)?;
            manifests::put(call, reference, body).await
        }
        (Route::Manifest(_, reference), _) => manifests::delete(call, reference).await,
        (Route::Uploads(_), _) => {
            let body = receive(call, exchange, body, call.state.config.limits.blob.0)?;
            uploads::start(call, body).await
        }
        (Route::Upload(_, id), Operation::UploadAppend) => {
            let body = receive(call, exchange, body, call.state.config.limits.blob.0)?;
            uploads::append(call, id, body).await
        }
        (Route::Upload(_, id), Operation::UploadFinish) => {
            let body = receive(call, exchange, body, call.state.config.limits.blob.0)?;
            uploads::finish(call, id, body).await
        }
        (Route::Upload(_, id), Operation::UploadCancel) => uploads::cancel(call, id).await,
        (Route::Upload(_, id), _) => uploads::status(call, id).await,
        (Route::Tags(_), _) => listings::tags(call).await,
        (Route::Referrers(_, digest), _) => listings::referrers(call, digest).await,
        (Route::TagHistory(_, tag), _) => history::get(call, tag).await,
        (Route::Base | Route::Catalog | Route::Discover(_), _) => Ok(listings::discover()),
    }
}

/// What a request does; none when the endpoint does not know the method.
fn operation(route: &Route<'_>, method: &Method) -> Option<Operation> {
    let is_read = *method == Method::GET || *method == Method::HEAD;
    let read = |operation| is_read.then_some(operation);
    match route {
        Route::Base => read(Operation::Base),
        Route::Catalog => read(Operation::Catalog),
        Route::Discover(_) => read(Operation::Discover),
        Route::TagHistory(..) => read(Operation::TagHistory),
        Route::Tags(_) => read(Operation::Tags),
        Route::Referrers(..) => read(Operation::Referrers),
        Route::Uploads(_) => (*method == Method::POST).then_some(Operation::UploadStart),
        Route::Blob(..) => match *method {
            Method::GET => Some(Operation::BlobGet),
            Method::HEAD => Some(Operation::BlobHead),
            Method::DELETE => Some(Operation::BlobDelete),
            _ => None,
        },
        Route::Upload(..) => match *method {
            Method::GET | Method::HEAD => Some(Operation::UploadStatus),
            Method::PATCH => Some(Operation::UploadAppend),
            Method::PUT => Some(Operation::UploadFinish),
            Method::DELETE => Some(Operation::UploadCancel),
            _ => None,
        },
        Route::Manifest(..) => match *method {
            Method::GET => Some(Operation::ManifestGet),
            Method::HEAD => Some(Operation::ManifestHead),
            Method::PUT => Some(Operation::ManifestPut),
            Method::DELETE => Some(Operation::ManifestDelete),
            _ => None,
        },
    }
}

/// Takes a request's body, if there is room for one more that is being received and it is not
/// larger than `limit` (0: none) by its own account.
fn receive(
    call: &Call<'_>,
    exchange: &mut Exchange,
    incoming: Incoming,
    limit: u64,
) -> Result<RequestBody, Failure> {
    let stall = call.state.config.timeouts.stall.0;
    let mut body = RequestBody::new(incoming, stall, limit);
    if body
        .length()
        .is_some_and(|length| limit > 0 && length > limit)
    {
        return Err(too_large(limit));
    }
    if !body.is_empty() {
        let permit = call.state.uploads.clone().try_acquire_owned();
        body.hold(permit.map_err(|_| {
            Failure::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::TooManyRequests,
                "too many uploads at once; try again",
            )
            .header(hyper::header::RETRY_AFTER, HeaderValue::from(1))
        })?);
    }
    exchange.incoming = Some(body.progress());
    Ok(body)
}

fn too_large(limit: u64) -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        Code::SizeInvalid,
        format!("larger than this server takes: {limit} bytes"),
    )
}

/// `Range` of an upload with `offset` bytes: inclusive, so that an empty one looks like one byte. That
/// is how Docker's registry writes it, and what clients expect.
fn upload_range(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

/// An answer with a status, headers and no body.
fn bare(status: StatusCode, headers: &[(HeaderName, &str)]) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::empty());
    *response.status_mut() = status;
    for (name, text) in headers {
        // Names, digests and tags are made of characters that headers can hold.
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().append(name.clone(), value);
        }
    }
    response
}

/// 201 for something that can be fetched at `location` and has this digest.
fn created(location: &str, digest: &kiln_oci::Digest) -> Response<ReplyBody> {
    let digest = digest.to_string();
    bare(
        StatusCode::CREATED,
        &[(LOCATION, location), (CONTENT_DIGEST, &digest)],
    )
}

/// A document.
fn json(kind: &'static str, body: Vec<u8>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Points to the next page (RFC 8288).
fn link_next(response: &mut Response<ReplyBody>, target: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("<{target}>; rel=\"next\"")) {
        response.headers_mut().insert(LINK, value);
    }
}
