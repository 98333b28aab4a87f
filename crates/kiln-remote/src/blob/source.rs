//! Where the bytes of an upload come from.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Content that can be read more than once: an upload that breaks begins again.
pub trait BlobSource: Sync {
    /// Opens the content at `offset` bytes from its beginning.
    ///
    /// # Errors
    /// When it cannot be read.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>>;
}

impl BlobSource for &[u8] {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut bytes = Cursor::new(*self);
        bytes.set_position(offset);
        Ok(Box::new(bytes))
    }
}

impl BlobSource for Vec<u8> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut bytes = Cursor::new(self.as_slice());
        bytes.set_position(offset);
        Ok(Box::new(bytes))
    }
}

/// A file, opened anew each time.
impl BlobSource for PathBuf {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut file = File::open(self)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }
}
