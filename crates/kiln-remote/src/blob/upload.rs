//! Uploads: what is there is not sent, what another repository of the registry has is mounted, and the rest goes up in
//! one piece with its length, or in chunks where that is asked for or the one piece is refused.
//!
//! Source: distribution specification, "Pushing blobs".

use std::io::Read;
use std::time::Duration;

use kiln_fetch::{Backoff, Method, Url, status_may_pass};
use kiln_oci::{Descriptor, Digest, Hasher};

use super::content::{Content, other_content};
use super::session::{Session, location, received};
use super::source::BlobSource;
use crate::auth::Scope;
use crate::auth::form;
use crate::endpoint::{Body, Call, Endpoint, Place};
use crate::error::RemoteError;
use crate::repository::{Name, Repository};

/// Chunks when the registry refused the blob in one piece, in bytes.
const CHUNK: u64 = 16 << 20;

/// How a blob is uploaded. `Default` looks whether it is there, and sends it in one piece.
#[derive(Clone, Debug, Default)]
pub struct UploadOptions {
    /// Repositories on the same registry that may have the blob: it is mounted from the first that does.
    pub mount_from: Vec<String>,
    /// Bytes of a chunk; `None` to send the blob in one piece unless the registry refuses that.
    pub chunk: Option<u64>,
}

/// How a blob came to be on the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there.
    Existed,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was sent.
    Sent,
}

impl Repository {
    /// Sees to it that the registry has a blob. `progress` is told how many bytes have been sent so far; the number falls
    /// when a transfer begins anew.
    ///
    /// # Errors
    /// When the registry refuses it, or `source` does not have what `descriptor` says.
    pub fn upload(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        options: &UploadOptions,
        progress: &dyn Fn(u64),
    ) -> Result<Uploaded, RemoteError> {
        if self.has_whole(descriptor)? {
            return Ok(Uploaded::Existed);
        }
        let registry = self.home()?;
        let mut upload = Upload {
            repository: self,
            endpoint: &registry.origin,
            what: self.what(Name::Digest(&descriptor.digest)),
            descriptor,
            source,
            progress,
            chunk: options.chunk,
            session: None,
            prefix: (0, Hasher::new(descriptor.digest.algorithm())),
            breaks: 0,
        };
        for from in options
            .mount_from
            .iter()
            .filter(|from| *from != self.name())
        {
            if upload.mount(from)? {
                return Ok(Uploaded::Mounted);
            }
        }
        upload.run()?;
        Ok(Uploaded::Sent)
    }

    /// Whether the registry has the blob whole. What it has of another size may be broken, or its word about it is: sent
    /// again, it is right.
    fn has_whole(&self, descriptor: &Descriptor) -> Result<bool, RemoteError> {
        match self.blob_exists_for(descriptor, self.push_scope()) {
            Err(RemoteError::WrongSize { .. }) => Ok(false),
            other => other,
        }
    }

    /// Asks the registry to take a blob from another of its repositories. False if it does not: the blob must be sent.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub fn mount(&self, digest: &Digest, from: &str) -> Result<bool, RemoteError> {
        let registry = self.home()?;
        let what = self.what(Name::Digest(digest));
        Ok(matches!(
            self.try_mount(&registry.origin, &what, digest, from)?,
            Mount::Done
        ))
    }

    fn try_mount(
        &self,
        endpoint: &Endpoint,
        what: &str,
        digest: &Digest,
        from: &str,
    ) -> Result<Mount, RemoteError> {
        let query = format!("mount={}&from={}", form(&digest.to_string()), form(from));
        let path = self.path(&format!("blobs/uploads/?{query}"));
        let mut call = Call::new(Method::Post, path, what, self.name(), self.push_scope());
        call.scopes.push(Scope::Pull(from.to_owned()));
        let response = match endpoint.send(&call) {
            Ok((response, _)) => response,
            // No right to read the other one, or none at all: which of them, the upload will show.
            Err(RemoteError::Unauthorized { .. }) => return Ok(Mount::Refused),
            Err(error) => return Err(error),
        };
        match response.status {
            201 => Ok(Mount::Done),
            202 => {
                Ok(Session::open(endpoint, what, &response).map_or(Mount::Refused, Mount::Session))
            }
            _ => Ok(Mount::Refused),
        }
    }
}

enum Mount {
    Done,
    /// The registry does not mount it and waits for its bytes.
    Session(Session),
    Refused,
}

/// One blob on its way.
pub(super) struct Upload<'a> {
    pub(super) repository: &'a Repository,
    endpoint: &'a Endpoint,
    what: String,
    pub(super) descriptor: &'a Descriptor,
    pub(super) source: &'a dyn BlobSource,
    pub(super) progress: &'a dyn Fn(u64),
    /// Bytes of a chunk; `None` for one piece.
    chunk: Option<u64>,
    session: Option<Session>,
    /// The hash of the content's beginning, up to an offset that the registry has acknowledged.
    prefix: (u64, Hasher),
    /// How often the one piece broke before the registry had any of it.
    breaks: u32,
}

impl Upload<'_> {
    fn mount(&mut self, from: &str) -> Result<bool, RemoteError> {
        match self
            .repository
            .try_mount(self.endpoint, &self.what, &self.descriptor.digest, from)?
        {
            Mount::Done => Ok(true),
            Mount::Session(session) => {
                self.session = Some(session);
                Ok(false)
            }
            Mount::Refused => Ok(false),
        }
    }

    fn run(&mut self) -> Result<(), RemoteError> {
        let remote = &self.repository.remote;
        let mut backoff = Backoff::new(remote.options().client.retries);
        let mut acknowledged = 0;
        loop {
            let Err(error) = self.attempt() else {
                (self.progress)(self.descriptor.size);
                return Ok(());
            };
            let wait = self.after(&error);
            let Some(asked) = wait else { return Err(error) };
            let at = self.session.as_ref().map_or(0, |session| session.at);
            if at > acknowledged {
                acknowledged = at;
                backoff.reset();
            }
            match backoff.next(asked) {
                Some(wait) if remote.pause(wait) => {}
                _ if remote.is_cancelled() => return Err(RemoteError::Cancelled),
                _ => return Err(error),
            }
            // The answer may have got lost after the registry took it all.
            if self.repository.has_whole(self.descriptor)? {
                (self.progress)(self.descriptor.size);
                return Ok(());
            }
            self.look_up();
        }
    }

    /// Whether to try again after this, and how long the registry asked to wait. Prepares the other way where one did
    /// not work.
    fn after(&mut self, error: &RemoteError) -> Option<Option<Duration>> {
        let in_one_piece = self.chunk.is_none();
        match error {
            RemoteError::Fetch(error) if error.may_pass() => {
                let at = self.session.as_ref().map_or(0, |session| session.at);
                self.breaks += u32::from(at == 0);
                // A server that refuses a long body may hang up without waiting for its end.
                if in_one_piece && self.breaks >= 2 {
                    self.chunk = Some(CHUNK);
                }
                Some(None)
            }
            RemoteError::RateLimited { retry_after, .. } => Some(*retry_after),
            RemoteError::Status { status, .. } if status_may_pass(*status) => Some(None),
            RemoteError::Status {
                status: 405 | 411 | 413 | 501,
                ..
            } if in_one_piece => {
                self.chunk = Some(CHUNK);
                self.session = None;
                Some(None)
            }
            // The session is gone, or not where we thought it was.
            RemoteError::NotFound { .. } | RemoteError::Status { status: 416, .. }
                if self.session.is_some() =>
            {
                self.session = None;
                Some(None)
            }
            _ => None,
        }
    }

    /// Asks how far a session is (distribution specification, "Pushing a blob in chunks": 204 with `Range`).
    fn look_up(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        let scope = self.repository.push_scope();
        let call = Call {
            place: Place::Url(session.url.clone()),
            ..Call::new(
                Method::Get,
                String::new(),
                &self.what,
                self.repository.name(),
                scope,
            )
        };
        let found = self
            .endpoint
            .expect(&call, &[204, 200, 202])
            .ok()
            .and_then(|response| {
                let at = received(&response).filter(|at| *at <= self.descriptor.size)?;
                let url = location(self.endpoint, &self.what, &response)
                    .unwrap_or_else(|_| session.url.clone());
                Some((url, at))
            });
        match found {
            Some((url, at)) => {
                session.url = url;
                session.at = at;
            }
            None => self.session = None,
        }
    }

    /// Sends what the registry does not have yet.
    fn attempt(&mut self) -> Result<(), RemoteError> {
        if self.session.is_none() {
            let path = self.repository.path("blobs/uploads/");
            let scope = self.repository.push_scope();
            let call = Call::new(
                Method::Post,
                path,
                &self.what,
                self.repository.name(),
                scope,
            );
            let response = self.endpoint.expect(&call, &[202])?;
            self.session = Some(Session::open(self.endpoint, &self.what, &response)?);
        }
        let session = self.session.as_mut().expect("because it was opened above");
        let size = self.descriptor.size;
        let Some(chunk) = self.chunk.or((session.at > 0).then_some(CHUNK)) else {
            return self.finish(0);
        };
        let chunk = chunk.max(session.min_chunk).max(1);
        while let Some(session) = &self.session
            && session.at < size
        {
            self.patch(session.at, size.min(session.at.saturating_add(chunk)))?;
        }
        self.finish(size)
    }

    /// Sends bytes `first..end` as a chunk.
    fn patch(&mut self, first: u64, end: u64) -> Result<(), RemoteError> {
        let hash = self.hash_to(first)?;
        let body = Content::new(self, first, end, hash);
        let open = || body.open();
        let session = self
            .session
            .as_ref()
            .expect("because chunks are sent to a session");
        let call = Call::new(
            Method::Patch,
            String::new(),
            &self.what,
            self.repository.name(),
            self.repository.push_scope(),
        );
        let call = Call {
            place: Place::Url(session.url.clone()),
            body: Body::Stream {
                open: &open,
                length: end - first,
            },
            ..call
                .header("content-type", "application/octet-stream")
                .header("content-range", format!("{first}-{}", end - 1))
        };
        let response = self.endpoint.expect(&call, &[202, 201, 204])?;
        let hash = body.after.borrow().clone();
        let url = location(self.endpoint, &self.what, &response)?;
        let at = received(&response).unwrap_or(end);
        let session = self
            .session
            .as_mut()
            .expect("because chunks are sent to a session");
        session.url = url;
        session.at = at;
        if at == end {
            self.prefix = (end, hash);
            return Ok(());
        }
        // Less was kept than was sent: go on from there, if that is on the way.
        if at > first && at < end {
            return Ok(());
        }
        Err(self
            .endpoint
            .question(&self.what)
            .nonsense("it does not say how much of a chunk it has"))
    }

    /// Closes the session with the bytes from `first` on.
    fn finish(&mut self, first: u64) -> Result<(), RemoteError> {
        let size = self.descriptor.size;
        let hash = self.hash_to(first)?;
        let body = Content::new(self, first, size, hash);
        let open = || body.open();
        let what = self.what.clone();
        let session = self.session.as_ref().expect("because a session is closed");
        let mut url = session.url.to_string();
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str("digest=");
        url.push_str(&form(&self.descriptor.digest.to_string()));
        let call = Call::new(
            Method::Put,
            String::new(),
            &what,
            self.repository.name(),
            self.repository.push_scope(),
        );
        let mut call = Call {
            place: Place::Url(Url::parse(&url)?),
            ..call
        };
        if first < size {
            call = call.header("content-type", "application/octet-stream");
            call.body = Body::Stream {
                open: &open,
                length: size - first,
            };
        } else {
            // Chunks were compared while they were sent; an empty blob and the end of chunks come here.
            let actual = self.hash_to(size)?.finish();
            if actual != self.descriptor.digest {
                return Err(RemoteError::Source {
                    what: self.what.clone(),
                    source: other_content(&actual),
                });
            }
        }
        self.endpoint.expect(&call, &[201, 204, 200])?;
        Ok(())
    }

    /// The hash of the content up to `offset`; read again where it is not known.
    fn hash_to(&mut self, offset: u64) -> Result<Hasher, RemoteError> {
        if self.prefix.0 != offset {
            let fail = |source| RemoteError::Source {
                what: self.what.clone(),
                source,
            };
            let mut hasher = Hasher::new(self.descriptor.digest.algorithm());
            let mut reader = self.source.open(0).map_err(fail)?.take(offset);
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match reader.read(&mut buffer).map_err(fail)? {
                    0 => break,
                    count => hasher.update(&buffer[..count]),
                }
            }
            self.prefix = (offset, hasher);
        }
        Ok(self.prefix.1.clone())
    }
}
