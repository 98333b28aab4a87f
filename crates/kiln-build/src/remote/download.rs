//! One file from an HTTP server, for ADD and for contexts.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;

use kiln_fetch::{DownloadOptions, Expected};
use kiln_oci::Digest;

use super::Fetcher;
use crate::error::StepError;
use crate::event::{Event, StepId};

/// A file that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebFile {
    /// Where it came from.
    pub url: String,
    /// Where it is: a scratch file of the lease that it was fetched with.
    pub path: PathBuf,
    /// Digest of its content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// `Last-Modified` in seconds since 1970, or 0.
    pub mtime: i64,
}

impl Fetcher<'_> {
    /// Downloads `url` into a scratch file, and tells `step` how far it is.
    pub(crate) fn download(
        &self,
        step: StepId,
        url: &str,
        expected: Option<Expected>,
    ) -> Result<WebFile, StepError> {
        let path = self.lease.scratch_path()?;
        let mut file = File::create_new(&path).map_err(|source| StepError::Io {
            what: format!("cannot write `{}`", path.display()),
            source,
        })?;
        let mut progress = |so_far: kiln_fetch::Progress| {
            let (done, total) = (so_far.bytes, so_far.total);
            self.observer.event(&Event::Progress { step, done, total });
            match self.cancel.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let options = DownloadOptions {
            expected,
            progress: Some(&mut progress),
            ..DownloadOptions::default()
        };
        let got = self.client.download(url, &mut file, options)?;
        let digest = format!("sha256:{}", got.sha256).parse();
        let mtime = got
            .last_modified
            .as_deref()
            .and_then(kiln_fetch::parse_http_date);
        Ok(WebFile {
            url: url.to_owned(),
            path,
            digest: digest.expect("because the client gives a hexadecimal digest"),
            size: got.bytes,
            mtime: mtime.unwrap_or(0),
        })
    }
}
