//! Content on its way out and in.

use std::fmt;
use std::io::{self, Read};

use crate::error::FetchError;
use crate::redact::redact;

/// Content to send.
pub enum RequestBody<'a> {
    /// Nothing.
    Empty,
    /// Bytes at hand. The request can be made again.
    Bytes(&'a [u8]),
    /// Bytes that are read while they are sent, exactly `length` of them; what the reader holds
    /// beyond that stays unread. A request with such a body is made only once.
    Stream {
        /// Where the bytes come from.
        reader: &'a mut dyn Read,
        /// How many there are.
        length: u64,
    },
    /// Bytes that are read while they are sent, to the reader's end, in the chunked transfer coding (RFC 9112 section
    /// 7.1). A request with such a body is made only once.
    Chunked {
        /// Where the bytes come from.
        reader: &'a mut dyn Read,
    },
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length})"),
            Self::Chunked { .. } => f.write_str("Chunked"),
        }
    }
}

impl RequestBody<'_> {
    pub(crate) fn can_repeat(&self) -> bool {
        !matches!(self, Self::Stream { .. } | Self::Chunked { .. })
    }
}

/// Hands out exactly the announced number of bytes, if one was, and keeps the caller's error, which would
/// otherwise come back disguised as the connection's.
pub(crate) struct Outgoing<'a> {
    reader: &'a mut dyn Read,
    /// What is left to send; `None` for all there is.
    left: Option<u64>,
    pub(crate) failure: Option<io::Error>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(reader: &'a mut dyn Read, length: Option<u64>) -> Self {
        Self {
            reader,
            left: length,
            failure: None,
        }
    }

    fn read_exactly(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.left else {
            return self.reader.read(buffer);
        };
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..most])?;
        if count == 0 {
            let message = format!("the data ends {left} bytes before its announced length");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.left = Some(left - count as u64);
        Ok(count)
    }
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_exactly(buffer).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            kind.into()
        })
    }
}

/// Content as it arrives.
///
/// Reading gives an error when the connection breaks, falls silent or ends before the announced
/// length. The [`FetchError`] can be taken out of the [`io::Error`].
pub struct ResponseBody {
    reader: Box<dyn Read + Send + Sync>,
    /// Redacted, for messages.
    url: String,
    host: String,
}

impl ResponseBody {
    pub(crate) fn new(body: ureq::Body, url: &crate::url::Url) -> Self {
        Self {
            reader: Box::new(body.into_reader()),
            url: redact(&url.to_string()),
            host: url.host().to_owned(),
        }
    }

    /// Like [`Read::read`], with the typed error.
    pub(crate) fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        loop {
            return match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(FetchError::from_client(
                    error.into(),
                    self.url.clone(),
                    &self.host,
                )),
                Ok(count) => Ok(count),
            };
        }
    }
}

impl Read for ResponseBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer)
            .map_err(|error| io::Error::new(error.io_kind(), error))
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseBody({})", self.url)
    }
}
