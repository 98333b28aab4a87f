//! How a request fails: a status, and one JSON document with a kind, a message and hints.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{AccessError, AuthenticationError};

/// What every failure says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of failure, for programs: `unauthenticated`, `denied`, `unknown`, `taken`, `in-use`,
    /// `invalid`, `too-large`, `too-many`, `unsupported`, `unavailable`, `full`.
    #[schema(example = "unknown")]
    pub kind: String,
    /// What went wrong, for people.
    #[schema(example = "there is no project `team`")]
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

/// A failure on its way to the client.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    kind: &'static str,
    message: String,
    hints: Vec<String>,
    retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            hints: vec![],
            retry_after: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", message)
    }

    pub(crate) fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "unsupported", message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", message)
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
            .hint("send a name and password (Basic) or one of your tokens (Bearer)")
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "in-use", message)
    }

    pub(crate) fn full() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "full",
            "the server's disk is full or cannot be written to",
        )
    }

    pub(crate) fn unavailable() -> Self {
        let message = "the server cannot do this now";
        let failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self {
            retry_after: Some(1),
            ..failure
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: self.kind.to_owned(),
            message: self.message,
            hints: self.hints,
        };
        let mut response = (self.status, Json(problem)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // Bearer, never Basic: no browser shall ask for a password and send it along afterwards.
            let challenge = HeaderValue::from_static("Bearer realm=\"kiln\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let message = error.to_string();
        match error {
            AccessError::Database(source) => source.into(),
            AccessError::Randomness(_) | AccessError::Ending => Self::unavailable(),
            AccessError::Name(_)
            | AccessError::Password(_)
            | AccessError::Scope(_)
            | AccessError::ExpiryInThePast
            | AccessError::Description => Self::invalid(message),
            AccessError::Taken { .. } => Self::new(StatusCode::CONFLICT, "taken", message)
                .hint("users and robot accounts share their names"),
            AccessError::Unknown { .. } => Self::unknown(message),
            AccessError::LastAdministrator { .. } => {
                Self::in_use(message).hint("make another user an administrator first")
            }
            AccessError::NotEmpty { .. } => {
                Self::in_use(message).hint("delete its repositories first")
            }
            AccessError::TooManyTokens { .. } => {
                Self::in_use(message).hint("end those that nobody uses")
            }
            AccessError::WrongPassword => Self::denied(message),
            AccessError::Open => Self::new(StatusCode::CONFLICT, "unsupported", message)
                .hint("start it without --open to have users, projects and rights"),
        }
    }
}

impl From<crate::database::DatabaseError> for Failure {
    fn from(error: crate::database::DatabaseError) -> Self {
        use crate::database::DatabaseError;
        match error {
            DatabaseError::Full { .. } | DatabaseError::ReadOnly { .. } => Self::full(),
            // The two asked for the same name in the same moment.
            DatabaseError::Duplicate { .. } => {
                Self::new(StatusCode::CONFLICT, "taken", error.to_string())
            }
            _ => Self::unavailable(),
        }
    }
}

impl From<AuthenticationError> for Failure {
    fn from(error: AuthenticationError) -> Self {
        let message = error.to_string();
        match error {
            AuthenticationError::Invalid { .. } => Self::unauthenticated(message),
            AuthenticationError::TooMany { retry_after } => Self {
                retry_after: Some(retry_after.as_secs().max(1)),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", message)
            },
            AuthenticationError::Unavailable(error) => error.into(),
        }
    }
}
