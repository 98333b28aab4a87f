//! Blobs on their way out: large blocks, one read ahead, no thread held while the client is slow.

use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::{Body, BodyError, body_of};
use crate::storage::{ObjectReader, READ_BLOCK, StorageError};

/// A blob that can be read, any number of times and parts of it. It can be read to its end even if
/// it is deleted meanwhile.
#[derive(Clone, Debug)]
pub struct OpenBlob {
    size: u64,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Bytes(Bytes),
    Object(ObjectReader),
}

impl OpenBlob {
    pub(crate) fn of_bytes(bytes: Bytes) -> Self {
        Self {
            size: bytes.len() as u64,
            source: Source::Bytes(bytes),
        }
    }

    pub(crate) fn of_object(reader: ObjectReader, size: u64) -> Self {
        Self {
            size,
            source: Source::Object(reader),
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A part of it, in blocks of at most [`READ_BLOCK`] bytes. What lies behind its end is left out.
    /// It must be called and polled in a tokio runtime.
    #[must_use]
    pub fn read(&self, range: Range<u64>) -> Body {
        let end = range.end.min(self.size);
        let start = range.start.min(end);
        match &self.source {
            Source::Bytes(bytes) => body_of(bytes.slice(start as usize..end as usize)),
            Source::Object(reader) => {
                let download = Download {
                    reader: reader.clone(),
                    position: start,
                    end,
                    reading: None,
                };
                download.boxed_unsync()
            }
        }
    }

    /// `length` bytes from `offset`, but no more than [`READ_BLOCK`]; fewer only at the end.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        let length = length.min(READ_BLOCK);
        match &self.source {
            Source::Bytes(bytes) => {
                let start = bytes.len().min(offset as usize);
                let end = bytes.len().min(start.saturating_add(length));
                Ok(bytes.slice(start..end))
            }
            Source::Object(reader) => reader.read(offset, length).await,
        }
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, StorageError>> + Send>>;

struct Download {
    reader: ObjectReader,
    /// Where the next block begins that is not being read yet.
    position: u64,
    end: u64,
    reading: Option<(usize, Reading)>,
}

impl Download {
    /// The next block, if it needs no waiting.
    fn cached(&mut self) -> Option<Bytes> {
        let left = self.end - self.position;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BLOCK);
        if length == 0 {
            return None;
        }
        let bytes = self.reader.read_cached(self.position, length)?;
        self.position += length as u64;
        Some(bytes)
    }

    /// Lets the next block be read, if there is one.
    fn read_ahead(&mut self) {
        let left = self.end - self.position;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(READ_BLOCK);
        if length == 0 {
            return;
        }
        let reading = self.reader.begin_read(self.position, length);
        self.position += length as u64;
        self.reading = Some((length, Box::pin(reading)));
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.reading.is_none() {
            if let Some(bytes) = this.cached() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            this.read_ahead();
        }
        let Some((expected, reading)) = &mut this.reading else {
            return Poll::Ready(None);
        };
        let expected = *expected;
        let read = ready!(reading.as_mut().poll(context));
        this.reading = None;
        match read {
            Ok(bytes) if bytes.len() == expected => {
                this.read_ahead();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Ok(_) => {
                // Nothing more can come; the client sees a body that is too short.
                this.position = this.end;
                Poll::Ready(Some(Err("the stored object is shorter than it was".into())))
            }
            Err(error) => {
                this.position = this.end;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none() && self.position == self.end
    }

    fn size_hint(&self) -> SizeHint {
        let reading = self
            .reading
            .as_ref()
            .map_or(0, |(length, _)| *length as u64);
        SizeHint::with_exact(self.end - self.position + reading)
    }
}
