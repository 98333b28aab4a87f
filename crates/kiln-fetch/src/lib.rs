//! HTTP: TLS, proxies, redirects, retries, resumed transfers and digest checks.
//!
//! The only crate of the project that knows an HTTP client, so that the client can be exchanged
//! and so that every transfer has the same manners: credentials stay with their host, a broken
//! transfer goes on where it stopped, what arrives is what was promised. Why this client:
//! `docs/design/http-client.md`.
//!
//! Calls block. A caller that wants several transfers at once shares one [`Client`] between
//! threads; connections are kept and used again.
//!
//! ```no_run
//! use kiln_fetch::{Client, ClientOptions, DownloadOptions, Expected};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientOptions::default())?;
//! let mut file = std::fs::File::create("tool.tar.gz")?;
//! let options = DownloadOptions {
//!     expected: Some(Expected::parse("sha256:0f1e…")?),
//!     ..DownloadOptions::default()
//! };
//! let got = client.download("https://example.com/tool.tar.gz", &mut file, options)?;
//! println!("{} bytes, sha256 {}", got.bytes, got.sha256);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here reads the environment: proxies and extra certificates come with
//! [`ClientOptions`]. One exception lies in the way systems are set up: the loader of the
//! machine's certificates follows `SSL_CERT_FILE` and `SSL_CERT_DIR`, as every TLS program does.

mod agents;
pub mod base64;
mod body;
mod client;
mod date;
mod digest;
mod download;
mod error;
mod headers;
#[cfg(test)]
mod hostile_tests;
mod no_proxy;
mod options;
mod range;
mod redact;
mod redirect;
mod request;
mod retry;
mod sink;
#[cfg(unix)]
mod socket;
mod url;

pub use body::{RequestBody, ResponseBody};
pub use client::Client;
pub use date::parse_http_date;
pub use digest::{Expected, ExpectedError};
pub use download::{DownloadOptions, Downloaded, Progress};
pub use error::{ClientError, DownloadError, FetchError};
pub use headers::Headers;
pub use options::{ClientOptions, Identity, Proxies, Retries, Timeouts};
pub use range::ContentRange;
pub use redact::redact;
pub use request::{ByteRange, Method, Request, Response};
pub use retry::{Backoff, retry_after, status_may_pass};
pub use sink::Sink;
pub use url::{Url, filename_from_url};
