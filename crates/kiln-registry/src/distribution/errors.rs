//! What content and accounts call wrong, in the words of the protocol.

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde_json::json;

use super::failure::{Code, Failure};
use super::too_large;
use crate::access::AccessError;
use crate::content::{ContentError, DeleteError, PutManifestError, UploadError};

impl From<ContentError> for Failure {
    fn from(error: ContentError) -> Self {
        let (status, message) = if error.is_full() {
            (
                StatusCode::INSUFFICIENT_STORAGE,
                "the registry's disk is full",
            )
        } else if error.is_read_only() {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the registry cannot write to its disk",
            )
        } else {
            return Self::internal(&error);
        };
        Self::new(status, Code::Unknown, message).cause(&error)
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::internal(&error)
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        let text = error.to_string();
        match error {
            UploadError::Failed(error) => error.into(),
            UploadError::Unknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, Code::BlobUploadUnknown, text)
            }
            UploadError::OutOfOrder { .. } => Self::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                Code::BlobUploadInvalid,
                text,
            ),
            UploadError::Busy { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, text)
                    .header(RETRY_AFTER, HeaderValue::from(1))
            }
            UploadError::DigestMismatch { expected, found } => {
                Self::digest_invalid(text).detail(json!({ "expected": expected, "found": found }))
            }
            UploadError::TooLarge { limit } => too_large(limit),
            error => {
                Self::new(StatusCode::BAD_REQUEST, Code::BlobUploadInvalid, text).cause(&error)
            }
        }
    }
}

impl From<PutManifestError> for Failure {
    fn from(error: PutManifestError) -> Self {
        let text = error.to_string();
        match error {
            PutManifestError::Failed(error) => error.into(),
            PutManifestError::TooLarge { limit } => too_large(limit),
            PutManifestError::DigestMismatch { expected, found } => {
                Self::digest_invalid(text).detail(json!({ "expected": expected, "found": found }))
            }
            PutManifestError::Unknown { missing } => Self::several(
                StatusCode::NOT_FOUND,
                Code::ManifestBlobUnknown,
                "the manifest names what this repository does not have",
                missing.iter().map(|digest| json!({ "digest": digest })),
            ),
            PutManifestError::TagImmutable { tag, rule } => {
                Self::new(StatusCode::CONFLICT, Code::Denied, text)
                    .detail(json!({ "tag": tag.to_string(), "rule": rule }))
            }
            _ => Self::new(StatusCode::BAD_REQUEST, Code::ManifestInvalid, text),
        }
    }
}

impl Failure {
    /// Why something was not deleted; `unknown` is how it is called when it is not there, `methods`
    /// are those that still work.
    pub(super) fn not_deleted(error: DeleteError, unknown: Self, methods: &'static str) -> Self {
        let text = error.to_string();
        match error {
            DeleteError::Unknown { .. } => unknown,
            DeleteError::Failed(error) => error.into(),
            DeleteError::Needed { digest, by } => {
                let detail = json!({ "digest": digest, "needed_by": by });
                Self::method(methods).message(text).detail(detail)
            }
            DeleteError::TagImmutable { tag, rule } => {
                Self::new(StatusCode::CONFLICT, Code::Denied, text)
                    .detail(json!({ "tag": tag.to_string(), "rule": rule }))
            }
        }
    }
}
