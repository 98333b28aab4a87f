//! One host that answers for a registry: the registry itself or a mirror of it.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use kiln_fetch::{ByteRange, Client, FetchError, Method, Request, RequestBody, Response, Url};

use crate::answer::{Question, warnings};
use crate::auth::{Authenticator, Errand, Proof, Scope};
use crate::error::RemoteError;
use crate::hosts::Capabilities;
use crate::options::Warning;

/// How long a mirror that failed is left alone.
const REST: Duration = Duration::from_secs(60);

/// The longest answer that is read so that its connection can be used again, in bytes.
const WORTH_DRAINING: u64 = 16 << 10;

/// Whether the host speaks TLS.
#[derive(Debug)]
pub(crate) enum Scheme {
    /// As said by the user or by default.
    Known {
        /// `https`, not `http`.
        secure: bool,
    },
    /// A host of this machine: found out at the first request.
    Loopback(OnceLock<bool>),
}

/// One host.
pub(crate) struct Endpoint {
    /// Where it is reached, with the port where there is one.
    pub(crate) host: String,
    /// As `kiln login` takes it: `docker.io` of `registry-1.docker.io`.
    pub(crate) login: String,
    pub(crate) scheme: Scheme,
    /// Between the host and what the protocol says: `/v2`, or another path that a mirror lives under.
    pub(crate) path: String,
    pub(crate) client: Arc<Client>,
    /// Sent with each request to this host.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) capabilities: Capabilities,
    /// The registry that a mirror is asked to answer for (distribution specification, main branch, "Registry Proxying").
    pub(crate) namespace: Option<String>,
    pub(crate) authenticator: Authenticator,
    pub(crate) failed_at: Mutex<Option<Instant>>,
    pub(crate) on_warning: Arc<dyn Fn(Warning) + Send + Sync>,
}

/// Where a call goes.
pub(crate) enum Place {
    /// A path below `/v2/`, with its query.
    Path(String),
    /// A URL that the host gave out for an upload or the next page.
    Url(Url),
}

/// What is sent along.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Empty,
    Bytes(&'a [u8]),
    /// Opened for each attempt.
    Stream {
        open: &'a dyn Fn() -> io::Result<Box<dyn Read + 'a>>,
        length: u64,
    },
}

/// One request of the protocol.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) place: Place,
    /// What it is about, for messages.
    pub(crate) what: &'a str,
    /// The repository that credentials are looked up for; empty for the registry as a whole.
    pub(crate) repository: &'a str,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) range: Option<ByteRange>,
    pub(crate) body: Body<'a>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        method: Method,
        path: String,
        what: &'a str,
        repository: &'a str,
        scope: Scope,
    ) -> Self {
        Self {
            method,
            place: Place::Path(path),
            what,
            repository,
            scopes: vec![scope],
            headers: vec![],
            range: None,
            body: Body::Empty,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl Endpoint {
    /// Whether it is worth asking: not when it failed a moment ago.
    pub(crate) fn is_rested(&self) -> bool {
        let failed = self
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|at| at.elapsed() >= REST)
    }

    /// It failed; leave it alone for a while.
    pub(crate) fn rest(&self) {
        *self
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Messages about this host.
    pub(crate) fn question<'a>(&'a self, what: &'a str) -> Question<'a> {
        Question {
            what,
            host: &self.login,
            user: None,
        }
    }

    /// The URL that all paths begin with, `/v2/` included.
    pub(crate) fn home(&self) -> Result<Url, RemoteError> {
        let secure = match &self.scheme {
            Scheme::Known { secure } => *secure,
            Scheme::Loopback(found) => match found.get() {
                Some(secure) => *secure,
                None => {
                    let secure = self.probe()?;
                    *found.get_or_init(|| secure)
                }
            },
        };
        self.base(secure)
    }

    fn base(&self, secure: bool) -> Result<Url, RemoteError> {
        let scheme = if secure { "https" } else { "http" };
        Ok(Url::parse(&format!(
            "{scheme}://{}{}/",
            self.host, self.path
        ))?)
    }

    /// Whether a host of this machine speaks TLS. Plain HTTP is tried first: a TLS server notices at the first byte,
    /// while a plain one may wait for the end of a line that never comes.
    fn probe(&self) -> Result<bool, RemoteError> {
        let request = Request::new(self.base(false)?.to_string());
        match self.client.get(&request) {
            Ok(mut response) => {
                // Read for what it may say, and so that the connection can be used again.
                let mut text = String::new();
                let _ = (&mut response.body)
                    .take(WORTH_DRAINING)
                    .read_to_string(&mut text);
                // Go's servers explain themselves in plain HTTP.
                Ok(response.status == 400 && text.contains("HTTPS"))
            }
            Err(
                FetchError::Protocol { .. }
                | FetchError::Tls { .. }
                | FetchError::Interrupted { .. },
            ) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a request, and proves who asks if the host wants to know. The answer may have any status but 401.
    ///
    /// Returns the user that was named, too, for messages about other refusals.
    pub(crate) fn send(&self, call: &Call<'_>) -> Result<(Response, Proof), RemoteError> {
        let home = self.home()?;
        let url = match &call.place {
            Place::Path(path) => home.join(&self.with_namespace(path))?,
            Place::Url(url) => url.clone(),
        };
        let ours = url.same_origin(&home);
        let question = self.question(call.what);
        let errand = Errand {
            client: &self.client,
            question: &question,
            home: &home,
            repository: call.repository,
            scopes: &call.scopes,
        };
        let mut proof = Proof::default();
        if ours {
            proof = self.authenticator.proof(errand)?;
        }
        // The first refusal names the way, the second one may mean that a kept token is not good any more.
        for attempt in 0.. {
            let mut response = self.exchange(call, &url, ours, &proof)?;
            let answered_here =
                Url::parse(&response.url).is_ok_and(|answered| answered.same_origin(&home));
            if response.status != 401 {
                self.pass_on_warnings(&response);
                return Ok((response, proof));
            }
            // Read now, so that the connection is free for the token server where that is the same host.
            let refusal = Question {
                user: proof.user.as_deref(),
                ..question
            }
            .refused(&mut response);
            // A host that we were sent to must not ask for the registry's credentials.
            if !ours || !answered_here || attempt >= 2 {
                return Err(refusal);
            }
            proof = self
                .authenticator
                .challenged(errand, &proof, &response)?
                .ok_or(refusal)?;
        }
        unreachable!("because the loop ends by itself")
    }

    /// Like [`send`](Self::send), and any other status than those of `good` is an error.
    pub(crate) fn expect(&self, call: &Call<'_>, good: &[u16]) -> Result<Response, RemoteError> {
        let (mut response, proof) = self.send(call)?;
        if good.contains(&response.status) {
            return Ok(response);
        }
        let question = Question {
            user: proof.user.as_deref(),
            ..self.question(call.what)
        };
        Err(question.refused(&mut response))
    }

    fn with_namespace(&self, path: &str) -> String {
        match &self.namespace {
            Some(namespace) => {
                let sign = if path.contains('?') { '&' } else { '?' };
                format!("{path}{sign}ns={namespace}")
            }
            None => path.to_owned(),
        }
    }

    fn exchange(
        &self,
        call: &Call<'_>,
        url: &Url,
        ours: bool,
        proof: &Proof,
    ) -> Result<Response, RemoteError> {
        if self.client.options().cancelled.load(Ordering::Relaxed) {
            return Err(RemoteError::Cancelled);
        }
        let mut request = Request::new(url.to_string());
        request.range = call.range;
        // POST only opens upload sessions: one too many is harmless, the registry drops it.
        request.repeatable = call.method == Method::Post;
        request.headers.clone_from(&call.headers);
        if ours {
            request.private_headers.clone_from(&self.headers);
        }
        if let Some(header) = &proof.header {
            request = request.header("authorization", header);
        }
        let answer = match call.body {
            Body::Empty => self.client.send(call.method, &request, RequestBody::Empty),
            Body::Bytes(bytes) => {
                self.client
                    .send(call.method, &request, RequestBody::Bytes(bytes))
            }
            Body::Stream { open, length } => {
                let mut reader = open().map_err(|source| RemoteError::Source {
                    what: call.what.to_owned(),
                    source,
                })?;
                let body = RequestBody::Stream {
                    reader: &mut reader,
                    length,
                };
                self.client.send(call.method, &request, body)
            }
        };
        match answer {
            Err(_) if self.client.options().cancelled.load(Ordering::Relaxed) => {
                Err(RemoteError::Cancelled)
            }
            Err(FetchError::RequestBody { source, .. }) => Err(RemoteError::Source {
                what: call.what.to_owned(),
                source,
            }),
            Err(error) => Err(error.into()),
            Ok(response) => Ok(response),
        }
    }

    fn pass_on_warnings(&self, response: &Response) {
        for text in warnings(response) {
            (self.on_warning)(Warning {
                host: self.host.clone(),
                text,
            });
        }
    }
}
