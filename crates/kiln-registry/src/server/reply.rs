//! The body of an answer: nothing, bytes at hand, or a stream of big blocks whose length is known.
//!
//! Every body has an exact length, so no answer is ever chunked: clients that look for
//! `Content-Length` (the conformance suite does on GET and HEAD) find it, and a body that ends early
//! is seen as broken by the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};

use super::exchange::Exchange;

pub(crate) use crate::content::BodyError;

/// The body of an answer. When it is dropped, sent or not, the [`Exchange`] that it carries is over.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    content: Content,
    exchange: Option<Box<Exchange>>,
}

#[derive(Debug)]
enum Content {
    Empty,
    Bytes(Bytes),
    Stream {
        stream: UnsyncBoxBody<Bytes, BodyError>,
        left: u64,
    },
    /// From the JSON API, whose framework knows the length, or does not.
    Foreign(axum::body::Body),
}

/// A stream that gave more or less than what was promised.
#[derive(Debug, thiserror::Error)]
#[error("the content ended {0} bytes before its length")]
struct WrongLength(u64);

impl ReplyBody {
    /// No body.
    pub(crate) fn empty() -> Self {
        Self::new(Content::Empty)
    }

    /// `length` bytes that come as they are read.
    pub(crate) fn stream<B>(stream: B, length: u64) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self::new(Content::Stream {
            stream: stream.map_err(Into::into).boxed_unsync(),
            left: length,
        })
    }

    /// The JSON API's.
    pub(crate) fn foreign(body: axum::body::Body) -> Self {
        Self::new(Content::Foreign(body))
    }

    fn new(content: Content) -> Self {
        Self {
            content,
            exchange: None,
        }
    }

    /// Ties the end of the exchange to the end of this body.
    pub(crate) fn carry(&mut self, exchange: Exchange) {
        self.exchange = Some(Box::new(exchange));
    }

    /// How many bytes it has, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.content {
            Content::Empty => Poll::Ready(None),
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Stream { left: 0, .. } => Poll::Ready(None),
            Content::Stream { stream, left } => {
                let frame = ready!(Pin::new(stream).poll_frame(cx));
                let frame = match frame {
                    None => Some(Err(WrongLength(*left).into())),
                    Some(Ok(frame)) => {
                        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                        match left.checked_sub(length) {
                            Some(rest) => {
                                *left = rest;
                                Some(Ok(frame))
                            }
                            None => Some(Err(WrongLength(0).into())),
                        }
                    }
                    error => error,
                };
                Poll::Ready(frame)
            }
            Content::Foreign(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }
}

impl<T: Into<Bytes>> From<T> for ReplyBody {
    fn from(bytes: T) -> Self {
        Self::new(Content::Bytes(bytes.into()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.poll_content(cx));
        if let Some(exchange) = &mut self.exchange {
            match &frame {
                Some(Ok(frame)) => exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(error)) => exchange.broke(error.as_ref()),
                None => {}
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Stream { left, .. } => *left == 0,
            Content::Foreign(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Stream { left, .. } => SizeHint::with_exact(*left),
            Content::Foreign(body) => body.size_hint(),
        }
    }
}
