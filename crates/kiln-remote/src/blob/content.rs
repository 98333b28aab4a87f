//! A part of a blob on its way out, hashed as it goes.

use std::cell::RefCell;
use std::io::{self, Read};

use kiln_oci::{Digest, Hasher};

use super::source::BlobSource;
use super::upload::Upload;
use crate::error::RemoteError;
use crate::remote::Remote;

/// A stretch of the content that is sent as one body.
pub(super) struct Content<'a> {
    source: &'a dyn BlobSource,
    progress: &'a dyn Fn(u64),
    remote: &'a Remote,
    first: u64,
    end: u64,
    /// The digest that the whole must have, if the stretch ends it.
    expected: Option<Digest>,
    before: Hasher,
    /// What was hashed, once all of it was sent.
    pub(super) after: RefCell<Hasher>,
}

impl<'a> Content<'a> {
    /// Bytes `first..end` of the content of `upload`; `before` has hashed all that comes before them.
    pub(super) fn new(upload: &Upload<'a>, first: u64, end: u64, before: Hasher) -> Self {
        let descriptor = upload.descriptor;
        Self {
            source: upload.source,
            progress: upload.progress,
            remote: &upload.repository.remote,
            first,
            end,
            expected: (end == descriptor.size).then_some(descriptor.digest),
            after: RefCell::new(before.clone()),
            before,
        }
    }

    /// A reader of the stretch, from its beginning.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        *self.after.borrow_mut() = self.before.clone();
        Ok(Box::new(Outgoing {
            inner: self.source.open(self.first)?,
            content: self,
            position: self.first,
        }))
    }
}

/// Hashes what goes out. The last bytes are kept back if the whole is not what it should be, so that the registry never
/// has it complete.
struct Outgoing<'a> {
    inner: Box<dyn Read + Send + 'a>,
    content: &'a Content<'a>,
    position: u64,
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.content;
        if content.remote.is_cancelled() {
            return Err(RemoteError::Cancelled.into());
        }
        let left = usize::try_from(content.end - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = self.inner.read(&mut buffer[..wanted])?;
        self.position += count as u64;
        let mut hasher = content.after.borrow_mut();
        hasher.update(&buffer[..count]);
        if count > 0
            && self.position == content.end
            && let Some(expected) = content.expected
        {
            let actual = hasher.clone().finish();
            if actual != expected {
                return Err(other_content(&actual));
            }
        }
        (content.progress)(self.position);
        Ok(count)
    }
}

/// The error of content that is not what its descriptor says.
pub(super) fn other_content(actual: &Digest) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the content at hand is {actual}"),
    )
}
