//! Several parts of a blob in one answer: `multipart/byteranges` (RFC 9110 section 14.6).

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use crate::content::{Body as Blocks, BodyError, OpenBlob};

static BOUNDARIES: AtomicU64 = AtomicU64::new(1);

/// `Content-Range` of a part.
pub(super) fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end - 1)
}

/// The parts, each with a head, and a line at the end.
pub(super) struct Multipart {
    boundary: String,
    pieces: VecDeque<Piece>,
    length: u64,
}

enum Piece {
    Text(Bytes),
    Part(Blocks),
}

impl Multipart {
    pub(super) fn new(blob: &OpenBlob, parts: &[Range<u64>], kind: &str) -> Self {
        // Content that happens to hold the boundary is no danger: lengths are known.
        let number = BOUNDARIES.fetch_add(1, Ordering::Relaxed);
        let boundary = format!("kiln-{number:016x}");
        let mut pieces = VecDeque::new();
        let mut length = 0;
        for part in parts {
            let range = content_range(part, blob.size());
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {range}\r\n\r\n"
            );
            length += head.len() as u64 + (part.end - part.start);
            pieces.push_back(Piece::Text(head.into()));
            pieces.push_back(Piece::Part(blob.read(part.clone())));
        }
        let end = format!("\r\n--{boundary}--\r\n");
        length += end.len() as u64;
        pieces.push_back(Piece::Text(end.into()));
        Self {
            boundary,
            pieces,
            length,
        }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Of the whole body, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Body for Multipart {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = match self.pieces.front_mut() {
                None => return Poll::Ready(None),
                Some(Piece::Text(text)) => Some(Ok(Frame::data(std::mem::take(text)))),
                Some(Piece::Part(stream)) => {
                    let frame = ready!(Pin::new(stream).poll_frame(cx));
                    match frame {
                        Some(frame) => return Poll::Ready(Some(frame)),
                        None => None,
                    }
                }
            };
            self.pieces.pop_front();
            if frame.is_some() {
                return Poll::Ready(frame);
            }
        }
    }
}
