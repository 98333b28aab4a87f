//! What can go wrong, with the URL (credentials removed) and, where there is one, a way out.

use std::error::Error;
use std::io;

/// Whatever lies beneath: the client's own error. Its type is no promise.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A proxy's address cannot be used.
    #[error("the proxy `{proxy}` is not an http:// or https:// address")]
    BadProxy {
        /// The address, without its credentials.
        proxy: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// PEM text of an authority cannot be read.
    #[error("the certificates of entry {entry} in the list of authorities cannot be read")]
    BadCertificate {
        /// Counted from one, in the order of `ca_certificates`.
        entry: usize,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// PEM text of an authority holds no certificate.
    #[error("entry {entry} in the list of authorities holds no PEM certificate")]
    NoCertificate {
        /// Counted from one, in the order of `ca_certificates`.
        entry: usize,
    },
    /// A certificate of ours, or its key, cannot be read.
    #[error("the client certificate for {hosts} cannot be used")]
    BadIdentity {
        /// The hosts that it is for.
        hosts: String,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// This system has no UNIX sockets.
    #[error("the socket {} cannot be used: this system has no UNIX sockets", path.display())]
    NoSockets {
        /// The socket.
        path: std::path::PathBuf,
    },
    /// The user agent cannot stand in a header.
    #[error("`{user_agent}` cannot be sent as a User-Agent header")]
    BadUserAgent {
        /// The text as given.
        user_agent: String,
    },
}

/// Why a request got no answer, or an answer could not be read to its end.
///
/// An answer with any status is an answer: see [`DownloadError::Status`] for the operation that
/// needs a good one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The text is no URL.
    #[error("`{url}` is no URL: {reason}")]
    BadUrl {
        /// The text, redacted.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL is of another kind than `http` and `https`.
    #[error("`{url}`: only http and https are fetched, not `{scheme}`")]
    UnsupportedScheme {
        /// The URL, redacted.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// A header cannot be sent.
    #[error("{url}: the header `{name}` cannot be sent")]
    BadHeader {
        /// The URL, redacted.
        url: String,
        /// The header's name; values may be secret.
        name: String,
    },
    /// The host's name has no address.
    #[error("{url}: the host `{host}` is not known")]
    HostNotFound {
        /// The URL, redacted.
        url: String,
        /// The name that was looked up.
        host: String,
        /// The resolver's words, if it had any.
        #[source]
        source: Cause,
    },
    /// No connection came about; nothing was sent.
    #[error("{url}: cannot connect")]
    Connect {
        /// The URL, redacted.
        url: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The proxy refused.
    #[error("{url}: the proxy made no connection: {reason}")]
    Proxy {
        /// The URL, redacted.
        url: String,
        /// What the proxy answered.
        reason: String,
    },
    /// The server's identity could not be established, or no common protocol was found.
    #[error("{url}: no secure connection")]
    Tls {
        /// The URL, redacted.
        url: String,
        /// Why not.
        #[source]
        source: Cause,
    },
    /// The other side was silent for too long.
    #[error("{url}: timed out ({phase})")]
    Timeout {
        /// The URL, redacted.
        url: String,
        /// What was being waited for.
        phase: String,
    },
    /// The connection broke after it had come about.
    #[error("{url}: the connection broke")]
    Interrupted {
        /// The URL, redacted.
        url: String,
        /// How.
        #[source]
        source: Cause,
    },
    /// The answer is not HTTP as it should be.
    #[error("{url}: the server does not follow the protocol")]
    Protocol {
        /// The URL, redacted.
        url: String,
        /// Where it does not.
        #[source]
        source: Cause,
    },
    /// The redirects do not come to an end.
    #[error("{url}: more than {limit} redirects; the last led to {last}")]
    TooManyRedirects {
        /// The URL that was asked for, redacted.
        url: String,
        /// How many were followed.
        limit: u32,
        /// Where the last one led, redacted.
        last: String,
    },
    /// A redirect leads where it cannot be followed.
    #[error("{url}: the server redirects to a place that cannot be fetched")]
    BadRedirect {
        /// The URL that redirected, redacted.
        url: String,
        /// What is wrong with the target.
        #[source]
        source: Box<FetchError>,
    },
    /// The body that was to be sent could not be read, or was shorter than announced.
    #[error("{url}: the data to send cannot be read")]
    RequestBody {
        /// The URL, redacted.
        url: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl FetchError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Timeout { .. } | Self::Interrupted { .. }
        )
    }

    /// Advice for the person who sees the error, where there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnsupportedScheme { .. } => Some("write the URL with http:// or https://"),
            Self::HostNotFound { .. } => {
                Some("check the spelling, and whether a proxy is needed to reach that network")
            }
            Self::Connect { .. } | Self::Timeout { .. } => {
                Some("is the server up, and is a proxy needed to reach it?")
            }
            Self::Proxy { .. } => {
                Some("check the proxy's address and credentials, or exempt the host with NO_PROXY")
            }
            Self::Tls { source, .. } => Some(tls_hint(&format!("{source:?}"))),
            Self::BadRedirect { source, .. } => source.hint(),
            _ => None,
        }
    }

    /// Sorts the client's error. `host` is the name that was connected to.
    pub(crate) fn from_client(error: ureq::Error, url: String, host: &str) -> Self {
        use ureq::{Error as E, Timeout as T};
        match error {
            E::Timeout(T::Connect | T::Resolve) => {
                let source = io::Error::from(io::ErrorKind::TimedOut).into();
                Self::Connect { url, source }
            }
            E::Timeout(phase) => Self::Timeout {
                url,
                phase: phase.to_string(),
            },
            E::HostNotFound => Self::HostNotFound {
                url,
                host: host.to_owned(),
                source: "no address".into(),
            },
            E::ConnectionFailed => Self::Connect {
                url,
                source: E::ConnectionFailed.into(),
            },
            E::ConnectProxyFailed(reason) => Self::Proxy { url, reason },
            E::Tls(_) | E::Rustls(_) | E::Pem(_) | E::TlsRequired => Self::Tls {
                url,
                source: error.into(),
            },
            E::Io(error) => Self::from_io(error, url, host),
            other => Self::Protocol {
                url,
                source: other.into(),
            },
        }
    }

    fn from_io(error: io::Error, url: String, host: &str) -> Self {
        use io::ErrorKind as K;
        let source = error.to_string();
        match error.kind() {
            // A socket of this machine that is not there, or not ours to use.
            K::NotFound
            | K::PermissionDenied
            | K::ConnectionRefused
            | K::HostUnreachable
            | K::NetworkUnreachable
            | K::AddrNotAvailable
            | K::NetworkDown => Self::Connect {
                url,
                source: error.into(),
            },
            K::TimedOut | K::WouldBlock => Self::Timeout {
                url,
                phase: "connection".to_owned(),
            },
            // rustls reports what it finds wrong in the other side's bytes this way.
            K::InvalidData => Self::Tls {
                url,
                source: error.into(),
            },
            // The standard library has no kind of its own for a failed lookup.
            _ if source.contains("failed to lookup address") => Self::HostNotFound {
                url,
                host: host.to_owned(),
                source: error.into(),
            },
            _ => Self::Interrupted {
                url,
                source: error.into(),
            },
        }
    }

    /// The kind under which the error passes through [`io::Read`].
    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Timeout { .. } => io::ErrorKind::TimedOut,
            Self::Interrupted { .. } => io::ErrorKind::UnexpectedEof,
            Self::Protocol { .. } | Self::Tls { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        }
    }
}

/// What to do about a failed handshake. The types of rustls are not reachable from here, so `reason`
/// is the error's `Debug` text, which holds the names of its variants.
fn tls_hint(reason: &str) -> &'static str {
    const HINTS: [(&str, &str); 5] = [
        (
            "UnknownIssuer",
            "the certificate's authority is not known here: add its certificate to the machine's \
             store or to kiln's list of authorities",
        ),
        (
            "Expired",
            "the certificate has expired, or this machine's clock is wrong",
        ),
        (
            "NotValidYet",
            "the certificate is not valid yet, or this machine's clock is wrong",
        ),
        (
            "NotValidForName",
            "the certificate belongs to another host: check the URL",
        ),
        (
            "InvalidMessage",
            "there is no TLS on that port: is it an http:// address?",
        ),
    ];
    let found = HINTS.iter().find(|(variant, _)| reason.contains(variant));
    found.map_or("check the server's TLS configuration", |(_, hint)| *hint)
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// There was no usable answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The server answered, but not with the file.
    #[error("{url}: the server answered {status}{}", reason(*.status))]
    Status {
        /// The URL that answered, redacted.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// Every byte arrived and they are not the right ones.
    #[error("{url}: the checksum is {actual}, not {expected}")]
    DigestMismatch {
        /// The URL, redacted.
        url: String,
        /// `algorithm:hex` as demanded.
        expected: String,
        /// `algorithm:hex` of what arrived.
        actual: String,
    },
    /// The file is larger than the caller takes.
    #[error("{url}: larger than the limit of {limit} bytes")]
    TooLarge {
        /// The URL, redacted.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Fewer or more bytes than announced arrived.
    #[error("{url}: {actual} bytes arrived, {expected} were announced")]
    WrongLength {
        /// The URL, redacted.
        url: String,
        /// Announced length in bytes.
        expected: u64,
        /// What arrived.
        actual: u64,
    },
    /// What arrived could not be written.
    #[error("{url}: what arrives cannot be written")]
    Write {
        /// The URL, redacted.
        url: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The progress callback asked to stop.
    #[error("{url}: stopped")]
    Cancelled {
        /// The URL, redacted.
        url: String,
    },
}

impl DownloadError {
    /// The HTTP status, if the server's answer was the trouble.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Advice for the person who sees the error, where there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Status {
                status: 401 | 403, ..
            } => Some("the server wants credentials, or those given do not suffice"),
            Self::Status {
                status: 404 | 410, ..
            } => Some("check the URL: nothing is there"),
            Self::Status { status: 407, .. } => Some("the proxy wants credentials"),
            Self::Status { status: 429, .. } => Some("too many requests: try again later"),
            Self::Status { status: 500.., .. } => Some("the trouble is the server's: try later"),
            Self::DigestMismatch { .. } => {
                Some("the file at that URL changed, or the checksum belongs to another one")
            }
            _ => None,
        }
    }
}

/// The usual words for a status, with a blank in front (RFC 9110 section 15).
fn reason(status: u16) -> String {
    let words = ureq::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    words.map(|words| format!(" {words}")).unwrap_or_default()
}
