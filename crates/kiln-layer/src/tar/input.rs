//! A buffered reader that knows where it is.

use std::io::{self, BufRead, BufReader, Read};

use super::BLOCK;
use super::error::{TarError, TarErrorKind};
use super::header::Block;

/// Room for a few ordinary files in one read.
const BUFFER: usize = 128 << 10;

/// The bytes of an archive.
#[derive(Debug)]
pub(super) struct Counted<R> {
    inner: BufReader<R>,
    pub(super) position: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read> Counted<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner: BufReader::with_capacity(BUFFER, inner),
            position: 0,
        }
    }

    pub(super) fn truncated(&self) -> TarError {
        TarError::new(self.position, None, TarErrorKind::Truncated)
    }

    pub(super) fn failed(&self, error: io::Error) -> TarError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof if error.get_ref().is_none() => self.truncated(),
            _ => TarError::new(self.position, None, TarErrorKind::Io(error)),
        }
    }

    /// The next block, or nothing at the very end.
    pub(super) fn block(&mut self) -> Result<Option<Block>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.truncated()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(Some(block))
    }

    /// Appends exactly `len` bytes.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, len: u64) -> Result<(), TarError> {
        match self.take(len).read_to_end(out) {
            Ok(read) if read as u64 == len => Ok(()),
            Ok(_) => Err(self.truncated()),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn skip_exactly(&mut self, len: u64) -> Result<(), TarError> {
        match self.skip(len) {
            Ok(skipped) if skipped == len => Ok(()),
            Ok(_) => Err(self.truncated()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Passes over up to `len` bytes and says how many there were.
    pub(super) fn skip(&mut self, len: u64) -> io::Result<u64> {
        let mut left = len;
        while left > 0 {
            let available = match self.inner.fill_buf() {
                Ok(buffer) => buffer.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available == 0 {
                break;
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(available);
            self.inner.consume(step);
            self.position += step as u64;
            left -= step as u64;
        }
        Ok(len - left)
    }
}
