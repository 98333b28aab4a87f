//! From a request to an answer: who asks, which part of the server it is for, and what every answer
//! has.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::service::Service as _;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use super::exchange::Exchange;
use super::incoming::RequestBody;
use super::log::Log;
use super::origin::Origin;
use super::reply::ReplyBody;
use crate::access::Access;
use crate::config::Config;
use crate::content::Content;
use crate::database::DatabaseError;
use crate::distribution;
use crate::metrics::{Metrics, Operation, Text};

/// Bytes of a body for the JSON API: nothing there is large.
const MAX_API_BODY: u64 = 1 << 20;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What all requests share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) content: Content,
    pub(crate) access: Access,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Log,
    pub(crate) api: axum::Router,
    /// One permit for each request that sends a body.
    pub(crate) uploads: Arc<Semaphore>,
    /// Set when the server is told to end; `/readyz` says so.
    pub(crate) ending: AtomicBool,
    pub(crate) ids: RequestIds,
}

impl State {
    /// What is counted elsewhere.
    fn write_metrics(&self, text: &mut Text) {
        text.single(
            "kiln_registry_log_lines_dropped_total",
            "counter",
            "Lines that were not logged because the log could not keep up.",
            self.log.dropped() as f64,
        );
        let free = self.uploads.available_permits();
        text.single(
            "kiln_registry_uploads_in_flight",
            "gauge",
            "Requests that are sending a body.",
            self.config.limits.uploads.saturating_sub(free) as f64,
        );
    }
}

/// The connection that a request came on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) peer: SocketAddr,
    pub(crate) tls: bool,
}

/// Names for requests: different for each, and for each start of the server.
#[derive(Debug)]
pub(crate) struct RequestIds {
    start: u32,
    next: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        // Its lowest bits change with every start; nothing secret depends on them.
        let start = u32::try_from(nanos >> 10 & 0xffff_ffff).unwrap_or_default();
        Self {
            start,
            next: AtomicU64::new(1),
        }
    }

    fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-{number:x}", self.start)
    }
}

/// Answers a request. Never fails: what goes wrong is an answer, too.
pub(crate) async fn answer(
    state: Arc<State>,
    line: Line,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let origin = Origin::of(
        request.headers(),
        request
            .uri()
            .authority()
            .map(hyper::http::uri::Authority::as_str),
        line.peer.ip(),
        line.tls,
        &state.config.public_url,
        &state.config.trusted_proxies,
    );
    let mut exchange = begin(&state, &origin, &request);
    let id = HeaderValue::from_str(&exchange.id).ok();
    let is_head = request.method() == Method::HEAD;
    let mut response = dispatch(&state, &mut exchange, &origin, request).await;
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    complete(&mut response, is_head);
    exchange.status = Some(response.status());
    exchange.length = response.body().length();
    response.body_mut().carry(exchange);
    Ok(response)
}

fn begin(state: &Arc<State>, origin: &Origin, request: &Request<Incoming>) -> Exchange {
    let text = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    let given = text(REQUEST_ID).filter(|id| origin.proxied && is_id(id));
    let id = given.map_or_else(|| state.ids.next(), str::to_owned);
    let path = request.uri().path();
    let mut exchange = Exchange::begin(
        &state.metrics,
        id.into(),
        origin.client,
        request.method(),
        path,
    );
    let is_probe = matches!(path, "/healthz" | "/readyz" | "/metrics");
    if state.config.log.requests && (!is_probe || state.config.log.probes) {
        exchange.log = Some(state.log.clone());
        exchange.agent = text(USER_AGENT).map(|agent| agent.chars().take(200).collect());
    }
    exchange
}

/// What a proxy may name a request: it goes into the log and into a header.
fn is_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_allowed)
}

async fn dispatch(
    state: &Arc<State>,
    exchange: &mut Exchange,
    origin: &Origin,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let path = request.uri().path();
    if path == "/v2" || path.starts_with("/v2/") {
        return distribution::handle(state, exchange, origin, request).await;
    }
    match path {
        "/healthz" => probe(exchange, Ok(())),
        "/readyz" => probe(exchange, ready(state).await),
        "/metrics" if may_read_metrics(state, origin) => {
            exchange.operation = Operation::Probe;
            let page = state.metrics.render(|text| state.write_metrics(text));
            plain(StatusCode::OK, "text/plain; version=0.0.4", page)
        }
        "/token" => distribution::token::handle(state, exchange, origin, request).await,
        "/api" => api(state, exchange, origin, request).await,
        _ if path.starts_with("/api/") => api(state, exchange, origin, request).await,
        _ => plain(
            StatusCode::NOT_FOUND,
            "text/plain",
            "not found: a container registry, its API is below /v2/\n",
        ),
    }
}

/// What every answer has: its length, and no body where there must be none.
fn complete(response: &mut Response<ReplyBody>, is_head: bool) {
    let status = response.status();
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        *response.body_mut() = ReplyBody::empty();
        return;
    }
    if let Some(length) = response.body().length()
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if is_head {
        *response.body_mut() = ReplyBody::empty();
    }
}

/// A short answer in text.
fn plain(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn probe(exchange: &mut Exchange, state: Result<(), String>) -> Response<ReplyBody> {
    exchange.operation = Operation::Probe;
    match state {
        Ok(()) => plain(StatusCode::OK, "text/plain", "ok\n"),
        Err(why) => {
            let body = format!("{why}\n");
            exchange.cause = Some(why);
            plain(StatusCode::SERVICE_UNAVAILABLE, "text/plain", body)
        }
    }
}

/// Whether requests should be sent here: not while ending, and not while the state cannot be read.
async fn ready(state: &State) -> Result<(), String> {
    if state.ending.load(Ordering::Relaxed) {
        return Err("the server is shutting down".to_owned());
    }
    let asked = state.content.database().read(|transaction| {
        let answer: Result<_, DatabaseError> = transaction.query("SELECT 1", &[]);
        answer
    });
    match asked.await {
        Ok(_) => Ok(()),
        Err(error) => Err(distribution::chain(&error)),
    }
}

fn may_read_metrics(state: &State, origin: &Origin) -> bool {
    let metrics = &state.config.metrics;
    let is_allowed = |network: &crate::config::Network| network.contains(origin.client);
    metrics.enabled && metrics.allow.iter().any(is_allowed)
}

/// The JSON API, which is rare and broad enough for a framework.
async fn api(
    state: &State,
    exchange: &mut Exchange,
    origin: &Origin,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    exchange.operation = Operation::Api;
    let (parts, body) = request.into_parts();
    let stall = state.config.timeouts.stall.0;
    let body = RequestBody::new(body, stall, MAX_API_BODY);
    exchange.incoming = Some(body.progress());
    let mut request = Request::from_parts(parts, axum::body::Body::new(body));
    let peer = crate::api::Peer(origin.client);
    request.extensions_mut().insert(peer);
    let router = TowerToHyperService::new(state.api.clone());
    match router.call(request).await {
        Ok(response) => response.map(ReplyBody::foreign),
        Err(never) => match never {},
    }
}
