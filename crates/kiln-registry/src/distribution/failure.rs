//! What goes wrong at the protocol's level, and the body that says so.
//!
//! Source: distribution specification, "Error Codes": a JSON object `errors` with `code`, `message`
//! and `detail`.

use hyper::header::{
    ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::access::Challenge;
use crate::server::ReplyBody;

/// The codes of the specification, and `UNKNOWN`, which clients know from Docker's registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    TooManyRequests,
    Unauthorized,
    Unknown,
    Unsupported,
}

impl Code {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::Denied => "DENIED",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unknown => "UNKNOWN",
            Self::Unsupported => "UNSUPPORTED",
        }
    }
}

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    errors: Vec<(Code, String, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only: what the client is not told.
    cause: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            errors: vec![(code, message.into(), Value::Null)],
            headers: vec![],
            cause: None,
        }
    }

    /// One error for each of `details`, all of the same kind.
    pub(crate) fn several(
        status: StatusCode,
        code: Code,
        message: &str,
        details: impl IntoIterator<Item = Value>,
    ) -> Self {
        let errors = details.into_iter();
        Self {
            status,
            errors: errors
                .map(|detail| (code, message.to_owned(), detail))
                .collect(),
            headers: vec![],
            cause: None,
        }
    }

    /// Something broke here. The client learns only that; the log gets the whole chain of causes.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut failure = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Unknown,
            "the server failed; its log says why, under this request's X-Request-Id",
        );
        failure.cause = Some(chain(error));
        failure
    }

    pub(crate) fn name_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::NameInvalid, message)
    }

    pub(crate) fn digest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::DigestInvalid, message)
    }

    pub(crate) fn name_unknown() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::NameUnknown,
            "there is no such repository, or you may not see it",
        )
    }

    pub(crate) fn method(allowed: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::Unsupported,
            "this endpoint does not know the method",
        )
        .header(ALLOW, HeaderValue::from_static(allowed))
    }

    /// A chunk that does not begin where the last one ended.
    pub(crate) fn out_of_order(location: &str, offset: u64) -> Self {
        Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            Code::BlobUploadInvalid,
            format!("the next chunk must begin at byte {offset}"),
        )
        .text_header(LOCATION, location)
        .text_header(RANGE, &super::upload_range(offset))
    }

    pub(crate) fn unauthorized(challenge: &Challenge, message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message)
            .text_header(WWW_AUTHENTICATE, &challenge.to_string())
    }

    pub(crate) fn too_many(seconds: u64, message: &str) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            Code::TooManyRequests,
            message,
        )
        .header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Keeps for the log what the client is not told.
    pub(crate) fn cause(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.cause = Some(chain(error));
        self
    }

    pub(crate) fn message(mut self, message: String) -> Self {
        if let Some((_, text, _)) = self.errors.last_mut() {
            *text = message;
        }
        self
    }

    pub(crate) fn detail(mut self, detail: Value) -> Self {
        if let Some((_, _, last)) = self.errors.last_mut() {
            *last = detail;
        }
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A header from text; left out if the text cannot stand in one.
    pub(crate) fn text_header(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.header(name, value),
            Err(_) => self,
        }
    }

    /// What the log should say and the client should not know.
    pub(crate) fn take_cause(&mut self) -> Option<String> {
        self.cause.take()
    }

    /// The response.
    pub(crate) fn into_response(self) -> Response<ReplyBody> {
        let errors: Vec<Value> = self
            .errors
            .into_iter()
            .map(|(code, message, detail)| match detail {
                Value::Null => json!({ "code": code.text(), "message": message }),
                detail => json!({ "code": code.text(), "message": message, "detail": detail }),
            })
            .collect();
        let body = json!({ "errors": errors }).to_string();
        let mut response = Response::new(ReplyBody::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

/// An error with everything below it, in a line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Transparent wrappers repeat themselves.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
