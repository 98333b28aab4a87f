//! A blob as a reader, for code that is not asynchronous.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::runtime::Handle;

use crate::content::OpenBlob;
use crate::storage::READ_BLOCK;

/// Reads a blob on a thread that may wait.
pub(super) struct BlobInput {
    blob: OpenBlob,
    runtime: Handle,
    offset: u64,
    block: Bytes,
}

impl BlobInput {
    pub(super) fn new(blob: OpenBlob, runtime: Handle) -> Self {
        Self {
            blob,
            runtime,
            offset: 0,
            block: Bytes::new(),
        }
    }
}

impl Read for BlobInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.block.is_empty() {
            let reading = self.blob.read_at(self.offset, READ_BLOCK);
            self.block = self.runtime.block_on(reading).map_err(io::Error::other)?;
            self.offset += self.block.len() as u64;
        }
        let length = buffer.len().min(self.block.len());
        buffer[..length].copy_from_slice(&self.block[..length]);
        self.block.advance(length);
        Ok(length)
    }
}

/// Fails where a reader gives more than it may.
pub(super) struct Capped<R> {
    reader: R,
    left: u64,
}

impl<R> Capped<R> {
    pub(super) fn new(reader: R, limit: u64) -> Self {
        Self {
            reader,
            left: limit,
        }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the layer decodes to more than may be",
            )
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_an_error_and_not_an_end() {
        let mut whole = vec![];
        let mut capped = Capped::new(&b"12345"[..], 5);
        capped.read_to_end(&mut whole).unwrap();
        assert_eq!(whole, b"12345");
        let mut capped = Capped::new(&b"123456"[..], 5);
        assert!(capped.read_to_end(&mut whole).is_err());
    }
}
