//! The client: one request, its redirects and its repetitions.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ureq::http;

use crate::agents::Agents;
use crate::body::{Outgoing, RequestBody, ResponseBody};
use crate::error::{ClientError, FetchError};
use crate::headers::Headers;
use crate::options::ClientOptions;
use crate::redact::redact;
use crate::redirect::{is_credential, is_redirect};
use crate::request::{Method, Request, Response};
use crate::retry::{Backoff, retry_after, status_may_pass};
use crate::url::Url;

/// Bodies of redirects up to this length are read, so that the connection can be used again.
const WORTH_DRAINING: u64 = 16 * 1024;

/// How often a wait looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Makes requests. Share one between threads: it keeps connections open and uses them again.
#[derive(Debug)]
pub struct Client {
    agents: Agents,
}

impl Client {
    /// A client with these options. Nothing is opened or read yet.
    ///
    /// # Errors
    /// When a proxy's address, a certificate or the user agent cannot be used.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        Ok(Self {
            agents: Agents::new(options)?,
        })
    }

    /// What the client was made with.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        self.agents.options()
    }

    /// Asks for the content at a URL. Any status is an answer.
    ///
    /// Redirects are followed. What may pass — no connection, silence, the statuses 408, 429 and
    /// most from 500 on — is tried again; when that does not help, the last answer or error is the
    /// result. A break while the body is read is the reader's to handle: see
    /// [`download`](Self::download) for a transfer that goes on by itself.
    ///
    /// # Errors
    /// When no answer came.
    pub fn get(&self, request: &Request) -> Result<Response, FetchError> {
        self.send(Method::Get, request, RequestBody::Empty)
    }

    /// Asks for the headers that [`get`](Self::get) would bring.
    ///
    /// # Errors
    /// When no answer came.
    pub fn head(&self, request: &Request) -> Result<Response, FetchError> {
        self.send(Method::Head, request, RequestBody::Empty)
    }

    /// Puts content at a URL. See [`send`](Self::send).
    ///
    /// # Errors
    /// When no answer came or `body` could not be read.
    pub fn put(&self, request: &Request, body: RequestBody<'_>) -> Result<Response, FetchError> {
        self.send(Method::Put, request, body)
    }

    /// Posts content to a URL. See [`send`](Self::send).
    ///
    /// # Errors
    /// When no answer came or `body` could not be read.
    pub fn post(&self, request: &Request, body: RequestBody<'_>) -> Result<Response, FetchError> {
        self.send(Method::Post, request, body)
    }

    /// Patches what is at a URL. See [`send`](Self::send).
    ///
    /// # Errors
    /// When no answer came or `body` could not be read.
    pub fn patch(&self, request: &Request, body: RequestBody<'_>) -> Result<Response, FetchError> {
        self.send(Method::Patch, request, body)
    }

    /// Deletes what is at a URL. See [`send`](Self::send).
    ///
    /// # Errors
    /// When no answer came.
    pub fn delete(&self, request: &Request) -> Result<Response, FetchError> {
        self.send(Method::Delete, request, RequestBody::Empty)
    }

    /// Makes a request with any method.
    ///
    /// GET and HEAD follow redirects; the answer to any other method is handed back as it is. A
    /// request is made again when that is safe: never with a streamed body, and POST and PATCH
    /// only when nothing was sent, the server asked to come back later (429) or the request says
    /// that it is [`repeatable`](Request::repeatable).
    ///
    /// # Errors
    /// When no answer came or `body` could not be read.
    pub fn send(
        &self,
        method: Method,
        request: &Request,
        mut body: RequestBody<'_>,
    ) -> Result<Response, FetchError> {
        let url = Url::parse(&request.url)?;
        let mut backoff = Backoff::new(self.options().retries);
        let idempotent = method.is_idempotent() || request.repeatable;
        loop {
            let outcome = self.follow(method, &url, request, &[], &mut body);
            let again = body.can_repeat()
                && match &outcome {
                    Ok(response) if response.status == 429 => true,
                    Ok(response) => idempotent && status_may_pass(response.status),
                    Err(error @ FetchError::Connect { .. }) => error.may_pass(),
                    Err(error) => idempotent && error.may_pass(),
                };
            if !again {
                return outcome;
            }
            let asked = outcome
                .as_ref()
                .ok()
                .and_then(|answer| retry_after(&answer.headers));
            match backoff.next(asked) {
                Some(wait) if self.pause(wait) => {}
                _ => return outcome,
            }
        }
    }

    /// Waits; false when the caller does not want another attempt any more.
    #[must_use]
    pub fn pause(&self, wait: Duration) -> bool {
        let cancelled = &self.options().cancelled;
        let end = Instant::now() + wait;
        while !cancelled.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK_UP));
        }
        false
    }

    /// One attempt: the request and the redirects that it meets. `more` are headers beside those
    /// of `request`.
    pub(crate) fn follow(
        &self,
        method: Method,
        start: &Url,
        request: &Request,
        more: &[(&str, String)],
        body: &mut RequestBody<'_>,
    ) -> Result<Response, FetchError> {
        let mut url = start.clone();
        // Once a redirect led away, credentials stay behind even if the next one leads back: the
        // host in between could otherwise choose what they are used for.
        let mut at_home = true;
        let mut followed = 0;
        loop {
            let built = build(method, &url, request, more, at_home)?;
            let mut response = self.exchange(&url, built, method, body)?;
            let location = response.headers.get("location").map(str::to_owned);
            let Some(location) = location.filter(|_| is_redirect(response.status)) else {
                return Ok(response);
            };
            if !method.is_safe() {
                return Ok(response);
            }
            let next = url
                .join(&location)
                .map_err(|error| FetchError::BadRedirect {
                    url: redact(&url.to_string()),
                    source: Box::new(error),
                })?;
            let limit = self.options().max_redirects;
            if followed >= limit {
                return Err(FetchError::TooManyRedirects {
                    url: redact(&start.to_string()),
                    limit,
                    last: redact(&next.to_string()),
                });
            }
            if response
                .headers
                .content_length()
                .is_some_and(|length| length <= WORTH_DRAINING)
            {
                // Failing here only costs the connection.
                let _ = io::copy(&mut response.body, &mut io::sink());
            }
            followed += 1;
            at_home &= next.same_origin(start);
            url = next;
        }
    }

    /// One request and its answer.
    fn exchange(
        &self,
        url: &Url,
        request: http::request::Builder,
        method: Method,
        body: &mut RequestBody<'_>,
    ) -> Result<Response, FetchError> {
        let agent = self.agents.for_url(url);
        let shown = redact(&url.to_string());
        let bad = |_| FetchError::BadUrl {
            url: shown.clone(),
            reason: "it cannot stand in a request".to_owned(),
        };
        let result = match body {
            RequestBody::Empty if matches!(method, Method::Get | Method::Head | Method::Delete) => {
                agent.run(request.body(()).map_err(bad)?)
            }
            RequestBody::Empty => agent.run(request.body(&b""[..]).map_err(bad)?),
            RequestBody::Bytes(bytes) => agent.run(request.body(*bytes).map_err(bad)?),
            RequestBody::Stream { reader, length } => {
                let request = request.header(http::header::CONTENT_LENGTH, *length);
                let mut outgoing = Outgoing::new(*reader, Some(*length));
                let body = ureq::SendBody::from_reader(&mut outgoing);
                let result = agent.run(request.body(body).map_err(bad)?);
                if let Some(source) = outgoing.failure {
                    return Err(FetchError::RequestBody { url: shown, source });
                }
                result
            }
            RequestBody::Chunked { reader } => {
                let mut outgoing = Outgoing::new(*reader, None);
                let body = ureq::SendBody::from_reader(&mut outgoing);
                let result = agent.run(request.body(body).map_err(bad)?);
                if let Some(source) = outgoing.failure {
                    return Err(FetchError::RequestBody { url: shown, source });
                }
                result
            }
        };
        let (parts, body) = result
            .map_err(|error| FetchError::from_client(error, shown.clone(), url.host()))?
            .into_parts();
        Ok(Response {
            status: parts.status.as_u16(),
            headers: Headers::from_map(&parts.headers),
            url: url.to_string(),
            body: ResponseBody::new(body, url),
        })
    }
}

/// The request's head. `at_home` says whether credentials may go along.
fn build(
    method: Method,
    url: &Url,
    request: &Request,
    more: &[(&str, String)],
    at_home: bool,
) -> Result<http::request::Builder, FetchError> {
    let mut builder = http::Request::builder()
        .method(method.to_http())
        .uri(url.to_string());
    let mut add = |name: &str, value: &str| {
        let bad = || FetchError::BadHeader {
            url: redact(&url.to_string()),
            name: name.to_owned(),
        };
        let header: http::HeaderName = name.parse().map_err(|_| bad())?;
        let value: http::HeaderValue = value.parse().map_err(|_| bad())?;
        if let Some(headers) = builder.headers_mut() {
            headers.append(header, value);
        }
        Ok(())
    };
    for (name, value) in &request.headers {
        if at_home || !is_credential(name) {
            add(name, value)?;
        }
    }
    for (name, value) in request.private_headers.iter().filter(|_| at_home) {
        add(name, value)?;
    }
    let own = request
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    // A redirect may bring credentials of its own in its URL; those belong to the new host.
    if let Some(value) = url.basic_authorization().filter(|_| !(own && at_home)) {
        add("authorization", &value)?;
    }
    if let Some(tag) = &request.if_none_match {
        add("if-none-match", tag)?;
    }
    if let Some(date) = &request.if_modified_since {
        add("if-modified-since", date)?;
    }
    if let Some(range) = request.range {
        add("range", &range.to_string())?;
    }
    for (name, value) in more {
        add(name, value)?;
    }
    Ok(builder)
}
