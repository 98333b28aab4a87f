//! A whole file, whatever happens on the way.
//!
//! A transfer that breaks goes on where it stopped, if the server lets it and the content is still
//! the same (RFC 9110 sections 13.1.5 and 14.2: `If-Range` with a strong validator); otherwise it
//! begins anew.

use std::io;
use std::ops::ControlFlow;

use crate::body::RequestBody;
use crate::client::Client;
use crate::date::parse_http_date;
use crate::digest::{Expected, Hasher};
use crate::error::{DownloadError, FetchError};
use crate::headers::Headers;
use crate::range::ContentRange;
use crate::redact::redact;
use crate::request::{Method, Request, Response};
use crate::retry::{Backoff, retry_after, status_may_pass};
use crate::sink::Sink;
use crate::url::{Url, filename_from_url};

const BUFFER: usize = 64 * 1024;

/// A transfer that moved by this much since its last failure has its attempts back. Less would let
/// a server that sends one byte per connection go on for ever.
const WORTH_A_NEW_START: u64 = 1024 * 1024;

/// How a file is fetched.
#[derive(Default)]
pub struct DownloadOptions<'a> {
    /// The digest that the file must have.
    pub expected: Option<Expected>,
    /// The most bytes that are taken.
    pub max_bytes: Option<u64>,
    /// Called after each piece. `Break` ends the transfer with [`DownloadError::Cancelled`].
    pub progress: Option<&'a mut dyn FnMut(Progress) -> ControlFlow<()>>,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that have arrived; falls to zero when the transfer begins anew.
    pub bytes: u64,
    /// Bytes in all, if the server says.
    pub total: Option<u64>,
}

/// A file that has arrived and was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal, without a prefix.
    pub sha256: String,
    /// The server's `ETag`, for [`Request::if_none_match`].
    pub etag: Option<String>,
    /// The server's `Last-Modified`, for [`Request::if_modified_since`];
    /// [`parse_http_date`](crate::parse_http_date) makes a time of it.
    pub last_modified: Option<String>,
    /// The name that the requested URL (not a redirect's target) gives the file.
    pub filename_from_url: Option<String>,
    /// The URL that answered in the end, without credentials.
    pub final_url: String,
}

impl Client {
    /// Fetches the file at `url` into `sink`, which must be empty.
    ///
    /// When this fails, `sink` holds an unknown part.
    ///
    /// # Errors
    /// When the file could not be had whole, is larger than allowed, or has another digest.
    pub fn download(
        &self,
        url: &str,
        sink: &mut dyn Sink,
        options: DownloadOptions<'_>,
    ) -> Result<Downloaded, DownloadError> {
        match self.download_if_changed(&Request::new(url), sink, options)? {
            Some(downloaded) => Ok(downloaded),
            // Nobody set a condition, so there is nothing that could be unchanged.
            None => Err(DownloadError::Status {
                url: redact(url),
                status: 304,
            }),
        }
    }

    /// Like [`download`](Self::download), with headers and conditions. `None` means that the
    /// server still has what `if_none_match` or `if_modified_since` describe; `sink` is untouched.
    /// The request's own range is ignored.
    ///
    /// # Errors
    /// As for [`download`](Self::download).
    pub fn download_if_changed(
        &self,
        request: &Request,
        sink: &mut dyn Sink,
        options: DownloadOptions<'_>,
    ) -> Result<Option<Downloaded>, DownloadError> {
        let url = Url::parse(&request.url)?;
        let request = Request {
            range: None,
            ..request.clone()
        };
        let transfer = Transfer {
            client: self,
            shown: redact(&url.to_string()),
            url,
            hasher: Hasher::new(options.expected.as_ref()),
            request,
            options,
            sink,
            written: 0,
            total: None,
            validator: None,
        };
        transfer.run()
    }
}

/// One download under way.
struct Transfer<'a, 'b> {
    client: &'a Client,
    url: Url,
    shown: String,
    request: Request,
    options: DownloadOptions<'b>,
    sink: &'a mut dyn Sink,
    hasher: Hasher,
    written: u64,
    /// Length of the whole file, once the server said it.
    total: Option<u64>,
    /// Proves that a later answer is about the same bytes.
    validator: Option<String>,
}

/// How one attempt ended.
enum Step {
    Done(Response),
    NotModified,
    /// Worth another attempt.
    Again(DownloadError, Option<std::time::Duration>),
}

impl Transfer<'_, '_> {
    fn run(mut self) -> Result<Option<Downloaded>, DownloadError> {
        let mut backoff = Backoff::new(self.client.options().retries);
        let mut at_last_failure = 0;
        loop {
            match self.attempt()? {
                Step::Done(response) => return self.finish(&response).map(Some),
                Step::NotModified => return Ok(None),
                Step::Again(error, asked) => {
                    if self.written >= at_last_failure + WORTH_A_NEW_START {
                        backoff.reset();
                        at_last_failure = self.written;
                    }
                    match backoff.next(asked) {
                        Some(wait) if self.client.pause(wait) => {}
                        _ => return Err(error),
                    }
                }
            }
        }
    }

    /// Asks for what is missing and takes what comes.
    fn attempt(&mut self) -> Result<Step, DownloadError> {
        let mut more = Vec::new();
        if self.written > 0 {
            match self.validator.clone() {
                Some(validator) => {
                    more.push(("range", format!("bytes={}-", self.written)));
                    more.push(("if-range", validator));
                }
                None => self.restart()?,
            }
        }
        let answer = self.client.follow(
            Method::Get,
            &self.url,
            &self.request,
            &more,
            &mut RequestBody::Empty,
        );
        let mut response = match answer {
            Ok(response) => response,
            Err(error) if error.may_pass() => return Ok(Step::Again(error.into(), None)),
            Err(error) => return Err(error.into()),
        };
        match response.status {
            206 if self.written > 0 => {
                if !self.continues(&response.headers) {
                    self.restart()?;
                    let url = self.shown.clone();
                    let source = "the rest that it sent is not the rest that was asked for".into();
                    return Ok(Step::Again(
                        FetchError::Protocol { url, source }.into(),
                        None,
                    ));
                }
            }
            200..=299 if response.status != 206 => self.begin(&response.headers)?,
            304 if self.written == 0 && self.has_condition() => return Ok(Step::NotModified),
            // What was the rest is not there any more: the file has changed.
            416 if self.written > 0 => {
                self.restart()?;
                return Ok(Step::Again(self.status_error(&response), None));
            }
            status if status_may_pass(status) => {
                let asked = retry_after(&response.headers);
                return Ok(Step::Again(self.status_error(&response), asked));
            }
            _ => return Err(self.status_error(&response)),
        }
        match self.take(&mut response)? {
            Some(broken) if broken.may_pass() => Ok(Step::Again(broken.into(), None)),
            Some(broken) => Err(broken.into()),
            None => Ok(Step::Done(response)),
        }
    }

    /// Prepares for the whole file.
    fn begin(&mut self, headers: &Headers) -> Result<(), DownloadError> {
        if self.written > 0 {
            self.restart()?;
        }
        self.total = headers.content_length();
        self.validator = validator(headers);
        // The content is new to the caller; from here on only the rest of it matters.
        self.request.if_none_match = None;
        self.request.if_modified_since = None;
        match (self.total, self.options.max_bytes) {
            (Some(total), Some(limit)) if total > limit => Err(self.too_large(limit)),
            _ => Ok(()),
        }
    }

    /// Whether a 206 holds what is missing, to the end, of the same content.
    fn continues(&self, headers: &Headers) -> bool {
        let Some(range) = headers.get("content-range").and_then(ContentRange::parse) else {
            return false;
        };
        let Some((first, last)) = range.part else {
            return false;
        };
        let total = self.total.or(range.total);
        let to_the_end = total.is_none_or(|total| total.checked_sub(1) == Some(last));
        let same_length = match (self.total, range.total) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        // A server must not answer 206 to another If-Range; some caches do.
        let same_tag = match (&self.validator, headers.get("etag")) {
            (Some(validator), Some(tag)) if validator.starts_with('"') => validator == tag,
            _ => true,
        };
        first == self.written && to_the_end && same_length && same_tag
    }

    fn restart(&mut self) -> Result<(), DownloadError> {
        self.written = 0;
        self.total = None;
        self.validator = None;
        self.hasher = Hasher::new(self.options.expected.as_ref());
        self.sink
            .restart()
            .map_err(|source| self.write_error(source))
    }

    /// Moves the body into the sink. A break is given back as `Some`.
    fn take(&mut self, response: &mut Response) -> Result<Option<FetchError>, DownloadError> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match response.body.read_some(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => count,
                Err(error) => return Ok(Some(error)),
            };
            self.written += count as u64;
            if let Some(limit) = self.options.max_bytes.filter(|limit| self.written > *limit) {
                return Err(self.too_large(limit));
            }
            let piece = &buffer[..count];
            self.hasher.update(piece);
            self.sink
                .write_all(piece)
                .map_err(|source| self.write_error(source))?;
            let now = Progress {
                bytes: self.written,
                total: self.total,
            };
            if let Some(progress) = &mut self.options.progress
                && progress(now).is_break()
            {
                return Err(DownloadError::Cancelled {
                    url: self.shown.clone(),
                });
            }
        }
    }

    /// Checks the whole.
    fn finish(self, response: &Response) -> Result<Downloaded, DownloadError> {
        let url = self.shown;
        if let Some(expected) = self.total.filter(|total| *total != self.written) {
            return Err(DownloadError::WrongLength {
                url,
                expected,
                actual: self.written,
            });
        }
        if let Err(source) = self.sink.flush() {
            return Err(DownloadError::Write { url, source });
        }
        let (sha256, actual) = self.hasher.finish();
        if let Some(expected) = self.options.expected.filter(|expected| *expected != actual) {
            let (expected, actual) = (expected.to_string(), actual.to_string());
            return Err(DownloadError::DigestMismatch {
                url,
                expected,
                actual,
            });
        }
        Ok(Downloaded {
            bytes: self.written,
            sha256,
            etag: response.headers.get("etag").map(str::to_owned),
            last_modified: response.headers.get("last-modified").map(str::to_owned),
            filename_from_url: filename_from_url(&self.request.url),
            final_url: response.url.clone(),
        })
    }

    fn has_condition(&self) -> bool {
        self.request.if_none_match.is_some() || self.request.if_modified_since.is_some()
    }

    fn status_error(&self, response: &Response) -> DownloadError {
        DownloadError::Status {
            url: redact(&response.url),
            status: response.status,
        }
    }

    fn too_large(&self, limit: u64) -> DownloadError {
        DownloadError::TooLarge {
            url: self.shown.clone(),
            limit,
        }
    }

    fn write_error(&self, source: io::Error) -> DownloadError {
        DownloadError::Write {
            url: self.shown.clone(),
            source,
        }
    }
}

/// What may stand in `If-Range`: a strong entity tag, or a date that is strong because the server
/// sent it at least a second later (RFC 9110 sections 8.8.2.2 and 13.1.5).
fn validator(headers: &Headers) -> Option<String> {
    if headers
        .get("accept-ranges")
        .is_some_and(|value| value.eq_ignore_ascii_case("none"))
    {
        return None;
    }
    if let Some(tag) = headers.get("etag") {
        return tag.starts_with('"').then(|| tag.to_owned());
    }
    let modified = headers.get("last-modified")?;
    let age = parse_http_date(headers.get("date")?)? - parse_http_date(modified)?;
    (age >= 1).then(|| modified.to_owned())
}
