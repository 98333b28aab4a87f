//! An object on its way out of the store: in windows that grow as long as they are read one after
//! another, so that a part costs little and all of it few requests.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kiln_fetch::{Backoff, ByteRange, ResponseBody};

use super::{CallError, S3};
use crate::storage::StorageError;

/// The first window of a reader.
const FIRST: u64 = 1 << 20;

/// The largest one: this much may be sent for nothing when a reader stops.
const LARGEST: u64 = 32 << 20;

/// An object. Each clone reads on its own.
#[derive(Debug)]
pub(in crate::storage) struct S3Reader {
    object: Arc<Object>,
    window: Arc<Mutex<Window>>,
}

#[derive(Debug)]
struct Object {
    store: S3,
    name: String,
    size: u64,
}

/// The answer that is being read.
#[derive(Debug, Default)]
struct Window {
    body: Option<ResponseBody>,
    /// Where the next byte is from.
    position: u64,
    end: u64,
    /// Of the last request.
    length: u64,
}

impl Clone for S3Reader {
    fn clone(&self) -> Self {
        Self {
            object: self.object.clone(),
            window: Arc::default(),
        }
    }
}

impl S3Reader {
    pub(super) fn new(store: S3, name: String, size: u64) -> Self {
        Self {
            object: Arc::new(Object { store, name, size }),
            window: Arc::default(),
        }
    }

    /// The same reader, for the thread that waits for the store.
    pub(in crate::storage) fn share(&self) -> Self {
        Self {
            object: self.object.clone(),
            window: self.window.clone(),
        }
    }

    /// `length` bytes from `offset`, fewer only at the object's end.
    pub(in crate::storage) fn read(
        &self,
        offset: u64,
        length: usize,
    ) -> Result<Bytes, StorageError> {
        let left = self.object.size.saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(length);
        let mut buffer = vec![0; length];
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let mut backoff = Backoff::new(self.object.store.0.calls.retries());
        let mut filled = 0;
        while filled < length {
            let position = offset + filled as u64;
            match self
                .object
                .read_some(&mut window, position, &mut buffer[filled..])
            {
                Ok(read) => filled += read,
                Err(error) => {
                    *window = Window::default();
                    // What the store refuses was tried again; what broke off was not.
                    let wait = match &error {
                        CallError::Body(_) => backoff.next(None),
                        _ => None,
                    };
                    match wait {
                        Some(wait) if self.object.store.0.calls.pause(wait) => {}
                        _ => {
                            let name = &self.object.name;
                            return Err(self.object.store.failed("read", name, error));
                        }
                    }
                }
            }
        }
        Ok(buffer.into())
    }
}

impl Object {
    /// At least one byte from `position`, which is before the object's end.
    fn read_some(
        &self,
        window: &mut Window,
        position: u64,
        buffer: &mut [u8],
    ) -> Result<usize, CallError> {
        if window.body.is_none() || window.position != position || position == window.end {
            self.open(window, position, buffer.len() as u64)?;
        }
        let body = window.body.as_mut().ok_or(CallError::Incomplete("body"))?;
        let left = usize::try_from(window.end - position).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        match body.read(&mut buffer[..most])? {
            0 => Err(CallError::Body(std::io::ErrorKind::UnexpectedEof.into())),
            read => {
                window.position += read as u64;
                Ok(read)
            }
        }
    }

    fn open(&self, window: &mut Window, position: u64, wanted: u64) -> Result<(), CallError> {
        let goes_on = window.length > 0 && window.position == position;
        let length = match goes_on {
            true => (window.length * 2).min(LARGEST),
            false => FIRST,
        };
        let end = position.saturating_add(length.max(wanted)).min(self.size);
        if let Some(mut body) = window.body.take() {
            // Its end has to be seen, so that the connection is used again.
            let at_end = window.position == window.end;
            let _ = at_end.then(|| body.read(&mut [0]));
        }
        let range = ByteRange {
            first: position,
            last: Some(end - 1),
        };
        *window = Window {
            body: Some(self.store.0.calls.get(&self.name, range)?),
            position,
            end,
            length,
        };
        Ok(())
    }
}
