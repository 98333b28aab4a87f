//! Requests and answers as the callers see them.

use crate::body::ResponseBody;
use crate::headers::Headers;

/// What is asked of the server (RFC 9110 section 9.3; PATCH is RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The content.
    Get,
    /// The headers that GET would bring.
    Head,
    /// Put this content in that place.
    Put,
    /// Do something with this content.
    Post,
    /// Change what is there by this content.
    Patch,
    /// Remove what is there.
    Delete,
}

impl Method {
    /// Only reads: redirects are followed.
    pub(crate) fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    /// Twice is as good as once (RFC 9110 section 9.2.2).
    pub(crate) fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Put | Self::Delete)
    }

    pub(crate) fn to_http(self) -> ureq::http::Method {
        match self {
            Self::Get => ureq::http::Method::GET,
            Self::Head => ureq::http::Method::HEAD,
            Self::Put => ureq::http::Method::PUT,
            Self::Post => ureq::http::Method::POST,
            Self::Patch => ureq::http::Method::PATCH,
            Self::Delete => ureq::http::Method::DELETE,
        }
    }
}

/// A request without its method and body.
///
/// Credentials in the URL become an `Authorization: Basic` header, unless there is an
/// `authorization` among `headers`. Both, and cookies, go to the URL's own scheme, host and port
/// only: not to where a redirect leads.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// An absolute `http:` or `https:` URL.
    pub url: String,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Further headers that go to the URL's own scheme, host and port only, like credentials.
    pub private_headers: Vec<(String, String)>,
    /// An entity tag as the server gave it: answer 304 if the content still has it.
    pub if_none_match: Option<String>,
    /// An HTTP-date as the server gave it in `Last-Modified`: answer 304 if nothing changed since.
    pub if_modified_since: Option<String>,
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Twice is as good as once, whatever the method says: a POST that breaks is made again.
    pub repeatable: bool,
}

impl Request {
    /// A request for `url` without conditions.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Bytes `first` to `last`, both counted from zero and both included (RFC 9110 section 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte wanted.
    pub first: u64,
    /// The last byte wanted; `None` for the rest.
    pub last: Option<u64>,
}

impl std::fmt::Display for ByteRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.last {
            Some(last) => write!(f, "bytes={}-{last}", self.first),
            None => write!(f, "bytes={}-", self.first),
        }
    }
}

/// An answer, with a body that has not been read yet.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status: any, redirects that were not followed included.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The URL that answered in the end, without credentials.
    pub url: String,
    /// The content. Read it to its end and the connection can be used again.
    pub body: ResponseBody,
}

impl Response {
    /// Whether the status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
