//! What can go wrong between kiln and a registry, and what to do about it.

use std::fmt;
use std::io;
use std::time::Duration;

use kiln_fetch::{ClientError, FetchError};
use kiln_oci::{Digest, InvalidDocument};

use crate::credentials::CredentialsError;
use crate::hosts::HostsError;

/// A registry's own words about a refusal, cleaned of control characters and cut to a readable length.
///
/// Source: distribution specification, "Error Codes": `{"errors": [{"code": …, "message": …}]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// The code, such as `MANIFEST_UNKNOWN`, where the answer had the specified form.
    pub code: Option<String>,
    /// The message.
    pub message: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, self.message.is_empty()) {
            (None, true) => Ok(()),
            (None, false) => write!(f, ": {}", self.message),
            (Some(code), true) => write!(f, ": {code}"),
            (Some(code), false) => write!(f, ": {} ({code})", self.message),
        }
    }
}

/// Why something could not be done with a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// There was no usable answer at all.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A client for a host could not be made from its options.
    #[error("the settings for {host} cannot be used")]
    Client {
        /// The registry's or the mirror's host.
        host: String,
        /// What is wrong with them.
        #[source]
        source: Box<ClientError>,
    },
    /// The settings of registries cannot be read.
    #[error(transparent)]
    Hosts(Box<HostsError>),
    /// Credentials could not be had.
    #[error(transparent)]
    Credentials(Box<CredentialsError>),
    /// There is no such thing on the registry.
    #[error("{what} is not there{reason}")]
    NotFound {
        /// What was asked for, for a person: `registry/repository:tag`.
        what: String,
        /// The registry's words.
        reason: Box<Reason>,
    },
    /// The registry wants to know who asks, or does not accept who said so.
    #[error("{what}: {host} refuses {}{reason}", who(.user))]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// The registry, as `kiln login` takes it.
        host: String,
        /// The user whose credentials were sent; `None` if none were known.
        user: Option<String>,
        /// The registry's words.
        reason: Box<Reason>,
    },
    /// The registry knows who asks and does not allow it.
    #[error("{what}: {host} does not allow this to {}{reason}", who(.user))]
    Denied {
        /// What was asked for.
        what: String,
        /// The registry.
        host: String,
        /// The user whose credentials were sent; `None` if none were known.
        user: Option<String>,
        /// The registry's words.
        reason: Box<Reason>,
    },
    /// Too many requests, and waiting as long as allowed did not help.
    #[error("{what}: {host} gets too many requests{}{reason}", wait(.retry_after))]
    RateLimited {
        /// What was asked for.
        what: String,
        /// The registry.
        host: String,
        /// How long it asked to wait.
        retry_after: Option<Duration>,
        /// The registry's words.
        reason: Box<Reason>,
    },
    /// Any other answer that is not the one that the protocol asks for.
    #[error("{what}: {host} answered {status}{reason}")]
    Status {
        /// What was asked for.
        what: String,
        /// The registry.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words.
        reason: Box<Reason>,
    },
    /// The answer has the right status and makes no sense.
    #[error("{what}: {host} does not follow the protocol: {problem}")]
    Protocol {
        /// What was asked for.
        what: String,
        /// The registry.
        host: String,
        /// Where it does not.
        problem: String,
    },
    /// The registry removes whole manifests only, or nothing at all.
    #[error("{what}: {host} does not remove {}{reason}", if *.tag { "single tags" } else { "anything" })]
    CannotDelete {
        /// What was to be removed.
        what: String,
        /// The registry.
        host: String,
        /// Whether it was a tag.
        tag: bool,
        /// The registry's words.
        reason: Box<Reason>,
    },
    /// The content is not what its digest says.
    #[error("{what}: the content that arrived is {actual}")]
    DigestMismatch {
        /// What was asked for, with the digest it should have.
        what: String,
        /// The digest that it has.
        actual: Digest,
    },
    /// The content is longer or shorter than its descriptor says.
    #[error("{what}: {actual} bytes instead of {expected}")]
    WrongSize {
        /// What was asked for.
        what: String,
        /// Bytes by the descriptor.
        expected: u64,
        /// Bytes that the registry announced or sent; when it sent too many, those that were read.
        actual: u64,
    },
    /// The document is neither a manifest nor an index, or too large for one.
    #[error("{what} cannot be read")]
    Document {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        #[source]
        source: InvalidDocument,
    },
    /// The text cannot be a tag.
    #[error("`{tag}` is not a tag: up to 128 letters, digits, `_`, `.` and `-`")]
    BadTag {
        /// The text.
        tag: String,
    },
    /// The registry sends its users to a token server that does not look like its own.
    #[error("{host} wants your password to be sent to {realm}, which is not known to belong to it")]
    ForeignRealm {
        /// The registry.
        host: String,
        /// The token server's URL.
        realm: String,
    },
    /// What is to be sent could not be read.
    #[error("{what} cannot be read to be sent")]
    Source {
        /// What was to be sent.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What arrived could not be written.
    #[error("{what} cannot be written")]
    Sink {
        /// What arrived.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The caller does not want it any more.
    #[error("stopped")]
    Cancelled,
}

fn who(user: &Option<String>) -> String {
    match user {
        Some(user) => format!("the user `{user}`"),
        None => "anonymous users".to_owned(),
    }
}

fn wait(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!(" and asks to wait {} seconds", wait.as_secs()),
        None => String::new(),
    }
}

impl RemoteError {
    /// Whether the registry said that the thing does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Advice for the person who sees the error, where there is any.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fixed = |text: &str| Some(text.to_owned());
        match self {
            Self::Fetch(error) => match error {
                FetchError::Tls { source, .. }
                    if format!("{source:?}").contains("InvalidMessage") =>
                {
                    fixed(
                        "there is no TLS on that port: if this registry is meant to be reached in the clear, allow plain HTTP for it",
                    )
                }
                error => error.hint().map(str::to_owned),
            },
            Self::NotFound { .. } => fixed(
                "check the spelling; private repositories look as if they were not there until you log in, and some registries want the project to be made before the first push",
            ),
            Self::Unauthorized {
                host, user: None, ..
            } => Some(format!(
                "log in with `kiln login {host}`; a public repository may also be misspelt"
            )),
            Self::Unauthorized { host, .. } => Some(format!(
                "the password or token is wrong or has expired: log in anew with `kiln login {host}`"
            )),
            Self::Denied {
                host, user: None, ..
            } => Some(format!("log in with `kiln login {host}`")),
            Self::Denied { .. } => fixed(
                "the account lacks the right for this repository, or the repository must be created first",
            ),
            Self::RateLimited { host, .. } => Some(format!(
                "wait, or log in with `kiln login {host}`: anonymous users often have the lowest limit"
            )),
            Self::Status { status: 500.., .. } => {
                fixed("the trouble is the registry's: try again later")
            }
            Self::Status { status: 413, .. } => fixed(
                "a proxy before the registry limits the size of uploads: chunked uploads may pass",
            ),
            Self::CannotDelete { tag: true, .. } => {
                fixed("remove the manifest by its digest: all its tags go with it")
            }
            Self::ForeignRealm { .. } => fixed(
                "if it does belong to the registry, add its host to the trusted token servers",
            ),
            Self::DigestMismatch { .. } | Self::WrongSize { .. } => fixed(
                "the registry or a proxy before it is broken: try again, and tell its administrator",
            ),
            Self::Credentials(error) => error.hint(),
            _ => None,
        }
    }
}

impl From<HostsError> for RemoteError {
    fn from(error: HostsError) -> Self {
        Self::Hosts(Box::new(error))
    }
}

impl From<CredentialsError> for RemoteError {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(Box::new(error))
    }
}

/// So that the error can pass through [`io::Read`]; [`io::Error::downcast`] gives it back.
impl From<RemoteError> for io::Error {
    fn from(error: RemoteError) -> Self {
        let kind = match &error {
            RemoteError::NotFound { .. } => io::ErrorKind::NotFound,
            RemoteError::DigestMismatch { .. } | RemoteError::WrongSize { .. } => {
                io::ErrorKind::InvalidData
            }
            RemoteError::Cancelled => io::ErrorKind::Interrupted,
            RemoteError::Unauthorized { .. } | RemoteError::Denied { .. } => {
                io::ErrorKind::PermissionDenied
            }
            _ => io::ErrorKind::Other,
        };
        // `Interrupted` would make callers such as `io::copy` try again.
        let kind = if kind == io::ErrorKind::Interrupted {
            io::ErrorKind::Other
        } else {
            kind
        };
        Self::new(kind, error)
    }
}
