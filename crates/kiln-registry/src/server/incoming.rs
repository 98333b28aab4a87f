//! The body of a request: bytes as they come, counted, with a limit and without patience for clients
//! that stop.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use super::guard::STEP;
use crate::content::Body;

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncomingError {
    /// Too little came for too long.
    #[error("the client stopped sending")]
    Stalled,
    /// More than what is allowed.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The connection ended, or what came is no HTTP.
    #[error("the body ended early")]
    Broken(#[source] hyper::Error),
}

/// How a body ended, for whoever handed it on and sees only another's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    /// Not, or well.
    Well = 0,
    Stalled = 1,
    TooLarge = 2,
    Broken = 3,
}

/// What is known of a body while someone else reads it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    limit: u64,
    received: AtomicU64,
    ending: AtomicU8,
}

impl Progress {
    /// The most that was allowed, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::Acquire) {
            0 => Ending::Well,
            1 => Ending::Stalled,
            2 => Ending::TooLarge,
            _ => Ending::Broken,
        }
    }
}

/// A body being read.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes since the timer was set.
    step: usize,
    progress: Arc<Progress>,
    done: bool,
    /// Held while the body is read.
    permit: Option<OwnedSemaphorePermit>,
}

impl RequestBody {
    /// `limit` is in bytes; 0 is none.
    pub(crate) fn new(incoming: Incoming, patience: Duration, limit: u64) -> Self {
        let limit = if limit == 0 { u64::MAX } else { limit };
        let progress = Progress {
            limit,
            ..Progress::default()
        };
        Self {
            incoming,
            patience,
            timer: None,
            step: 0,
            progress: Arc::new(progress),
            done: false,
            permit: None,
        }
    }

    /// Keeps a place among all that are being received until this one is done.
    pub(crate) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.permit = Some(permit);
    }

    /// For whoever stores it.
    pub(crate) fn into_body(self) -> Body {
        self.map_err(Into::into).boxed_unsync()
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// What `Content-Length` says, if it is there.
    pub(crate) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// The next bytes; none at the end. After an error comes the end.
    pub(crate) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, IncomingError>>> {
        loop {
            if self.done {
                return Poll::Ready(None);
            }
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                ready!(self.poll_timer(cx));
                return Poll::Ready(Some(Err(self.fail(IncomingError::Stalled))));
            };
            match frame {
                None => {
                    self.done = true;
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(self.fail(IncomingError::Broken(error)))));
                }
                Some(Ok(frame)) => {
                    // Trailers mean nothing here.
                    let Ok(bytes) = frame.into_data() else {
                        continue;
                    };
                    return Poll::Ready(Some(self.accept(bytes)));
                }
            }
        }
    }

    /// The same for callers that wait.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, IncomingError>> {
        std::future::poll_fn(|cx| self.poll_bytes(cx)).await
    }

    /// All of it, in one piece.
    pub(crate) async fn collect(mut self) -> Result<Bytes, IncomingError> {
        let mut all = bytes::BytesMut::new();
        let mut first = None;
        while let Some(bytes) = self.next().await {
            let bytes = bytes?;
            if all.is_empty() && first.is_none() {
                first = Some(bytes);
                continue;
            }
            if let Some(first) = first.take() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&bytes);
        }
        Ok(first.unwrap_or_else(|| all.freeze()))
    }

    fn accept(&mut self, bytes: Bytes) -> Result<Bytes, IncomingError> {
        let length = bytes.len() as u64;
        let received = self.progress.received.fetch_add(length, Ordering::Relaxed) + length;
        if received > self.progress.limit {
            return Err(self.fail(IncomingError::TooLarge(self.progress.limit)));
        }
        self.step += bytes.len();
        if self.step >= STEP {
            self.step = 0;
            // Set anew when the next bytes have to be waited for.
            self.timer = None;
        }
        Ok(bytes)
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| {
            let mut timer = Box::pin(sleep(patience));
            timer.as_mut().reset(Instant::now() + patience);
            timer
        });
        timer.as_mut().poll(cx)
    }

    fn fail(&mut self, error: IncomingError) -> IncomingError {
        let ending = match error {
            IncomingError::Stalled => Ending::Stalled,
            IncomingError::TooLarge(_) => Ending::TooLarge,
            IncomingError::Broken(_) => Ending::Broken,
        };
        self.progress.ending.store(ending as u8, Ordering::Release);
        self.done = true;
        error
    }
}

/// For the JSON API's framework.
impl hyper::body::Body for RequestBody {
    type Data = Bytes;
    type Error = IncomingError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, IncomingError>>> {
        self.poll_bytes(cx).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.done || self.incoming.is_end_stream()
    }
}
