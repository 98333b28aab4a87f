//! The calls of an S3-compatible store that are needed, each a signed request and the reading of its
//! answer.
//!
//! They block: the HTTP client does. What may pass (no connection, 5xx, "slow down") was tried again
//! with growing pauses before a call fails.
//!
//! Source: Amazon S3 API Reference, the operations of the same names.

use std::io::{self, Read as _};
use std::time::{Duration, SystemTime};

use kiln_fetch::{
    ByteRange, Client, ClientError, ClientOptions, FetchError, Method, Request, RequestBody,
    Response, ResponseBody,
};

use super::S3Options;
use super::sign::{Signed, Signer, canonical_query, encode};
use super::xml::{elements, escape, text};

/// Answers that are read whole are lists of at most 1,000 entries.
const MAX_ANSWER: u64 = 16 << 20;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// No answer came, or it broke off.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The answer's body broke off.
    #[error("the store's answer broke off")]
    Body(#[from] io::Error),
    /// The store refused.
    #[error("the store answered {status} {code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// S3's name for it, if there is one.
        code: String,
        /// The store's words.
        message: String,
    },
    /// The store said something else than is specified.
    #[error("the store's answer has no {0}")]
    Incomplete(&'static str),
}

impl CallError {
    /// Whether what the call is about is not there.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                *status == 404 && code != "NoSuchBucket"
                    || matches!(code.as_str(), "NoSuchKey" | "NoSuchUpload")
            }
            _ => false,
        }
    }

    /// The same as the errors of files, which the callers tell apart by their kinds.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Refused { status, code, .. } => match (*status, code.as_str()) {
                (507, _) | (_, "XMinioStorageFull" | "QuotaExceeded") => io::ErrorKind::StorageFull,
                (403, _) => io::ErrorKind::PermissionDenied,
                (404, _) => io::ErrorKind::NotFound,
                _ => io::ErrorKind::Other,
            },
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }
}

/// An entry of a list.
#[derive(Debug)]
pub(super) struct Listed {
    /// The object's name in the bucket.
    pub(super) name: String,
    pub(super) size: u64,
}

/// A multipart upload that is not finished.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) name: String,
    pub(super) id: String,
}

/// Makes calls.
pub(super) struct Calls {
    client: Client,
    signer: Signer,
    /// Scheme, host and the bucket's path, if it stands there.
    scheme: String,
    host: String,
    bucket_path: String,
    /// The same for URLs that are given to clients.
    shared: Option<Place>,
}

/// Where a bucket is.
struct Place {
    scheme: String,
    host: String,
    bucket_path: String,
}

impl Place {
    fn of(endpoint: &str, options: &S3Options) -> Self {
        let (scheme, rest) = endpoint.split_once("://").unwrap_or(("https", endpoint));
        let host = rest.trim_end_matches('/');
        match options.path_style {
            true => Self {
                scheme: scheme.to_owned(),
                host: host.to_owned(),
                bucket_path: format!("/{}", encode(&options.bucket)),
            },
            false => Self {
                scheme: scheme.to_owned(),
                host: format!("{}.{host}", options.bucket),
                bucket_path: String::new(),
            },
        }
    }
}

impl Calls {
    pub(super) fn new(options: &S3Options) -> Result<Self, ClientError> {
        let client = Client::new(ClientOptions {
            ca_certificates: options.ca_certificates.clone(),
            retries: options.retries,
            ..ClientOptions::default()
        })?;
        let Place {
            scheme,
            host,
            bucket_path,
        } = Place::of(&options.endpoint, options);
        let shared = options.redirect.as_ref().map(|redirect| {
            let endpoint = match redirect.endpoint.is_empty() {
                true => &options.endpoint,
                false => &redirect.endpoint,
            };
            Place::of(endpoint, options)
        });
        Ok(Self {
            client,
            signer: Signer {
                access_key: options.access_key.clone(),
                secret_key: options.secret_key.clone(),
                region: options.region.clone(),
            },
            scheme,
            host,
            bucket_path,
            shared,
        })
    }

    /// How long to wait between attempts that the HTTP client does not make itself.
    pub(super) fn retries(&self) -> kiln_fetch::Retries {
        self.client.options().retries
    }

    /// Waits before another attempt.
    pub(super) fn pause(&self, wait: Duration) -> bool {
        self.client.pause(wait)
    }

    /// A URL for reading an object, which anybody may use for some time.
    pub(super) fn shared_url(&self, name: &str, good_for: Duration) -> Option<String> {
        let place = self.shared.as_ref()?;
        let path = format!("{}/{}", place.bucket_path, encode_path(name));
        let kind = "application/octet-stream".to_owned();
        let signed = Signed {
            method: "GET",
            host: &place.host,
            path: &path,
            query: &[("response-content-type", kind)],
            headers: &[],
        };
        let query = self.signer.query(&signed, good_for, SystemTime::now());
        Some(format!("{}://{}{path}?{query}", place.scheme, place.host))
    }

    /// `PutObject`.
    pub(super) fn put(&self, name: &str, body: &[u8]) -> Result<(), CallError> {
        self.call(Method::Put, name, &[], body, None).map(drop)
    }

    /// The body of `GetObject` for a range of bytes that is within the object.
    pub(super) fn get(&self, name: &str, range: ByteRange) -> Result<ResponseBody, CallError> {
        let response = self.call(Method::Get, name, &[], b"", Some(range))?;
        // A store that knows no ranges would send what was not asked for.
        match (response.status, range.first) {
            (206, _) | (200, 0) => Ok(response.body),
            _ => Err(CallError::Incomplete("part of the object (206)")),
        }
    }

    /// The length of an object by `HeadObject`; nothing if it is not there.
    pub(super) fn size(&self, name: &str) -> Result<Option<u64>, CallError> {
        match self.call(Method::Head, name, &[], b"", None) {
            Ok(response) => {
                let length = response.headers.content_length();
                length.map(Some).ok_or(CallError::Incomplete("length"))
            }
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `DeleteObject`. One that is not there is fine.
    pub(super) fn delete(&self, name: &str) -> Result<(), CallError> {
        match self.call(Method::Delete, name, &[], b"", None) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }

    /// `CreateMultipartUpload`: the id of the upload. Where an answer was lost there may be another one,
    /// which goes when the object does.
    pub(super) fn begin(&self, name: &str) -> Result<String, CallError> {
        let query = [("uploads", String::new())];
        let response = self.call(Method::Post, name, &query, b"", None)?;
        text(&whole(response.body)?, "UploadId").ok_or(CallError::Incomplete("UploadId"))
    }

    /// `UploadPart`, numbered from 1: the part's entity tag.
    pub(super) fn put_part(
        &self,
        name: &str,
        upload: &str,
        number: usize,
        body: &[u8],
    ) -> Result<String, CallError> {
        let query = [
            ("partNumber", number.to_string()),
            ("uploadId", upload.to_owned()),
        ];
        let response = self.call(Method::Put, name, &query, body, None)?;
        let tag = response.headers.get("etag").map(str::to_owned);
        tag.ok_or(CallError::Incomplete("ETag"))
    }

    /// `CompleteMultipartUpload` of an object of `size` bytes. From then on it can be read, whole.
    pub(super) fn complete(
        &self,
        name: &str,
        upload: &str,
        tags: &[String],
        size: u64,
    ) -> Result<(), CallError> {
        let parts = tags.iter().zip(1..).map(|(tag, number)| {
            let tag = escape(tag);
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
        });
        let body: String = parts.collect();
        let body = format!("<CompleteMultipartUpload>{body}</CompleteMultipartUpload>");
        let query = [("uploadId", upload.to_owned())];
        let mut backoff = kiln_fetch::Backoff::new(self.retries());
        loop {
            let Err(error) = self.complete_once(name, &query, &body) else {
                return Ok(());
            };
            // The answer to an attempt that succeeded may have been lost.
            if error.is_missing() && self.size(name)? == Some(size) {
                return Ok(());
            }
            // Other failures that may pass were tried again by the HTTP client.
            let may_pass = matches!(&error, CallError::Refused { status: 200, .. });
            match backoff.next(None).filter(|_| may_pass) {
                Some(wait) if self.client.pause(wait) => {}
                _ => return Err(error),
            }
        }
    }

    fn complete_once(
        &self,
        name: &str,
        query: &[(&str, String)],
        body: &str,
    ) -> Result<(), CallError> {
        let response = self.call(Method::Post, name, query, body.as_bytes(), None)?;
        // The status is sent before the work is done; what went wrong then stands in the body.
        let status = response.status;
        let answer = whole(response.body)?;
        match text(&answer, "ETag") {
            Some(_) if elements(&answer, "Error").is_empty() => Ok(()),
            _ => Err(refused(status, &answer)),
        }
    }

    /// `AbortMultipartUpload`. One that is not there is fine.
    pub(super) fn abort(&self, name: &str, upload: &str) -> Result<(), CallError> {
        let query = [("uploadId", upload.to_owned())];
        match self.call(Method::Delete, name, &query, b"", None) {
            Err(error) if !error.is_missing() => Err(error),
            _ => Ok(()),
        }
    }

    /// `ListObjectsV2`: one page after another of the objects whose names begin so.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Listed>, CallError> {
        let mut found = vec![];
        let mut token = None;
        loop {
            let mut query = vec![("list-type", "2".to_owned()), ("prefix", prefix.to_owned())];
            query.extend(token.map(|token| ("continuation-token", token)));
            let response = self.call(Method::Get, "", &query, b"", None)?;
            let answer = whole(response.body)?;
            for entry in elements(&answer, "Contents") {
                let name = text(entry, "Key").ok_or(CallError::Incomplete("Key"))?;
                let size = text(entry, "Size").and_then(|size| size.parse().ok());
                let size = size.ok_or(CallError::Incomplete("Size"))?;
                found.push(Listed { name, size });
            }
            if text(&answer, "IsTruncated").as_deref() != Some("true") {
                return Ok(found);
            }
            let next = text(&answer, "NextContinuationToken");
            token = Some(next.ok_or(CallError::Incomplete("NextContinuationToken"))?);
        }
    }

    /// `ListMultipartUploads`: those of objects whose names begin so. (MinIO lists them only for whole
    /// names, and gives up abandoned ones itself.) None where a store cannot list them: it answers 501.
    pub(super) fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>, CallError> {
        let mut found: Vec<Unfinished> = vec![];
        loop {
            let mut query = vec![("uploads", String::new()), ("prefix", prefix.to_owned())];
            if let Some(last) = found.last() {
                query.push(("key-marker", last.name.clone()));
                query.push(("upload-id-marker", last.id.clone()));
            }
            let response = match self.call(Method::Get, "", &query, b"", None) {
                Err(CallError::Refused { status: 501, .. }) => return Ok(found),
                response => response?,
            };
            let answer = whole(response.body)?;
            let before = found.len();
            for entry in elements(&answer, "Upload") {
                found.push(Unfinished {
                    name: text(entry, "Key").ok_or(CallError::Incomplete("Key"))?,
                    id: text(entry, "UploadId").ok_or(CallError::Incomplete("UploadId"))?,
                });
            }
            let more = text(&answer, "IsTruncated").as_deref() == Some("true");
            if !more || found.len() == before {
                return Ok(found);
            }
        }
    }

    fn call(
        &self,
        method: Method,
        name: &str,
        query: &[(&str, String)],
        body: &[u8],
        range: Option<ByteRange>,
    ) -> Result<Response, CallError> {
        let path = match name.is_empty() {
            true if self.bucket_path.is_empty() => "/".to_owned(),
            true => self.bucket_path.clone(),
            false => format!("{}/{}", self.bucket_path, encode_path(name)),
        };
        let signed = Signed {
            method: name_of(method),
            host: &self.host,
            path: &path,
            query,
            headers: &[],
        };
        let headers = self.signer.headers(&signed, body, SystemTime::now());
        let mut url = format!("{}://{}{path}", self.scheme, self.host);
        if !query.is_empty() {
            url = format!("{url}?{}", canonical_query(query));
        }
        let mut request = Request::new(url);
        request.range = range;
        // A second completion, or a second upload that was begun, does no harm.
        request.repeatable = true;
        for (name, value) in headers {
            request.private_headers.push((name.to_owned(), value));
        }
        let body = match body.is_empty() {
            true => RequestBody::Empty,
            false => RequestBody::Bytes(body),
        };
        let response = self.client.send(method, &request, body)?;
        match response.status {
            200..=299 => Ok(response),
            status => {
                let said = whole(response.body).unwrap_or_default();
                Err(refused(status, &said))
            }
        }
    }
}

fn refused(status: u16, answer: &str) -> CallError {
    let of = |name| text(answer, name).unwrap_or_default();
    CallError::Refused {
        status,
        code: of("Code"),
        message: of("Message"),
    }
}

fn whole(body: ResponseBody) -> Result<String, CallError> {
    let mut text = String::new();
    body.take(MAX_ANSWER).read_to_string(&mut text)?;
    Ok(text)
}

/// A name's slashes stay.
fn encode_path(name: &str) -> String {
    let parts: Vec<String> = name.split('/').map(encode).collect();
    parts.join("/")
}

fn name_of(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}
