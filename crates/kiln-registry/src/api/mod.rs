//! The JSON API below `/api/v1`: accounts, projects, robots, tokens, the audit log, and the registry's
//! content as people manage it.
//!
//! Every endpoint is a row of [`endpoints`]: method, path, what it needs, and its handler. The
//! router is made from the table, and one guard looks at what a row needs before anything of the
//! request's body is read (`guard`). Its OpenAPI document is made from the handlers' annotations and
//! the same table (`document`).

mod audit;
mod document;
mod endpoint;
mod failure;
mod guard;
mod job;
mod maintenance;
mod me;
mod members;
mod payload;
mod projects;
mod repositories;
mod robots;
mod rules;
mod users;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::Response;

use crate::access::Access;
use crate::content::Content;

pub use document::openapi;
pub use endpoint::{Endpoint, Need, endpoints};
pub use failure::Problem;

/// Most bytes of a request's body. The largest thing to say is a robot with sixteen scopes.
const BODY_MOST: usize = 64 * 1024;

/// What the handlers work on. Clones share it.
#[derive(Debug, Clone)]
pub struct ApiState {
    access: Access,
    content: Content,
    jobs: Arc<maintenance::Jobs>,
}

impl ApiState {
    /// Over these accounts, and over this content.
    #[must_use]
    pub fn new(access: Access, content: Content) -> Self {
        Self {
            access,
            content,
            jobs: Arc::default(),
        }
    }
}

/// The other end of the connection, or whom a trusted proxy names. The server puts it into the
/// request's extensions; without it nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// The API as a router for requests whose path begins with `/api`.
pub fn router(state: ApiState) -> Router {
    let mut router = Router::new();
    for endpoint in endpoints() {
        let guarded = guard::guarded(&state, endpoint.need, (endpoint.route)());
        router = router.route(endpoint.path, guarded);
    }
    router
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MOST))
        .layer(axum::middleware::map_response(finish))
        .with_state(state)
}

/// No answer is for a cache, and none is anything but what it says it is.
async fn finish(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn unknown(uri: Uri) -> failure::Failure {
    let path: String = uri.path().chars().take(200).collect();
    failure::Failure::unknown(format!("there is no `{path}`"))
        .hint("the API is described at /api/v1/openapi.json")
}

async fn not_allowed(method: Method, uri: Uri) -> failure::Failure {
    let path: String = uri.path().chars().take(200).collect();
    failure::Failure::not_allowed(format!("`{path}` does not know {method}"))
}
