//! Upload sessions, as a registry describes them.
//!
//! Source: distribution specification, "Pushing blobs": `Location`, `Range`, `OCI-Chunk-Min-Length`.

use kiln_fetch::{Response, Url};

use crate::endpoint::Endpoint;
use crate::error::RemoteError;

/// An upload that the registry has opened.
pub(super) struct Session {
    pub(super) url: Url,
    /// Bytes that the registry has.
    pub(super) at: u64,
    /// The registry wants no smaller chunks (`OCI-Chunk-Min-Length`).
    pub(super) min_chunk: u64,
}

impl Session {
    /// The session that an answer to POST opens.
    pub(super) fn open(
        endpoint: &Endpoint,
        what: &str,
        response: &Response,
    ) -> Result<Self, RemoteError> {
        let min_chunk = response.headers.get("oci-chunk-min-length");
        Ok(Self {
            url: location(endpoint, what, response)?,
            at: 0,
            min_chunk: min_chunk
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0),
        })
    }
}

/// Where an upload goes on. Encrypted if the registry is; on another host, it goes on without credentials.
pub(super) fn location(
    endpoint: &Endpoint,
    what: &str,
    response: &Response,
) -> Result<Url, RemoteError> {
    let question = endpoint.question(what);
    let Some(text) = response.headers.get("location") else {
        return Err(question.nonsense("it does not say where the upload goes on"));
    };
    let url = Url::parse(&response.url)?.join(text)?;
    let home = endpoint.home()?;
    if !home.is_secure() || url.is_secure() {
        return Ok(url);
    }
    // Registries behind a proxy that does TLS for them often do not know that they should say `https`.
    if url.host() == home.host() {
        return Ok(home.join(url.path_and_query())?);
    }
    Err(question.nonsense("the upload is to go on at a place that is not encrypted"))
}

/// How much the registry has, by `Range: 0-<last byte>`. `0-0` is how registries say "nothing yet".
pub(super) fn received(response: &Response) -> Option<u64> {
    let range = response.headers.get("range")?.trim();
    let (first, last) = range
        .strip_prefix("bytes=")
        .unwrap_or(range)
        .split_once('-')?;
    let last: u64 = last.parse().ok()?;
    (first == "0").then(|| if last == 0 { 0 } else { last + 1 })
}
