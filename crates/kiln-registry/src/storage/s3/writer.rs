//! An object on its way into the store: gathered to parts, each sent while the next is gathered.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{CallError, S3};
use crate::storage::{ObjectKey, StorageError, blocking};

/// What has to be known to go on with an object: it goes into the upload's row, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    /// Bytes of each part, which the settings may have changed since.
    part: usize,
    /// The multipart upload, once there is a whole part.
    upload: Option<String>,
    /// The entity tags of the parts that were sent, in their order.
    tags: Vec<String>,
    /// The suffix of the object that holds what is behind them.
    tail: Option<String>,
    /// The one before. It goes only after the row names its successor.
    stale: Option<String>,
}

/// Sends a part; gives its entity tag, and the upload that it is of.
type Sending = JoinHandle<Result<(String, String), CallError>>;

/// An object that grows.
pub(in crate::storage) struct S3Writer {
    store: S3,
    key: ObjectKey,
    state: State,
    /// What is not in a part yet; at most one part, and a block.
    buffer: Vec<u8>,
    sending: Option<Sending>,
    _permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for S3Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("S3Writer").field(&self.key).finish()
    }
}

impl S3 {
    /// Begins an object. Nothing is sent yet. It waits while too many others hold parts in memory.
    pub(in crate::storage) async fn create(&self, key: &ObjectKey) -> S3Writer {
        let state = State {
            part: self.0.part,
            upload: None,
            tags: vec![],
            tail: None,
            stale: None,
        };
        self.writer(key, state).await
    }

    async fn writer(&self, key: &ObjectKey, state: State) -> S3Writer {
        let permit = self.0.writers.clone().acquire_owned().await;
        S3Writer {
            store: self.clone(),
            key: key.clone(),
            state,
            buffer: vec![],
            sending: None,
            _permit: permit.expect("because the semaphore is never closed"),
        }
    }

    /// Goes on with an object as `state` says, of which `size` bytes count.
    pub(in crate::storage) async fn resume(
        &self,
        key: &ObjectKey,
        size: u64,
        state: &[u8],
    ) -> Result<S3Writer, StorageError> {
        let name = self.name(key);
        let lost = |what: &str| {
            let error = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, what.to_owned());
            StorageError::new("go on with", &format!("{}: {name}", self.0.place), error)
        };
        // Its row was written, and the server was killed before it sent anything.
        if state.is_empty() && size == 0 {
            return Ok(self.create(key).await);
        }
        let state: State = serde_json::from_slice(state)
            .map_err(|_| lost("what is known of it cannot be read"))?;
        let whole = (state.tags.len() as u64).saturating_mul(state.part as u64);
        let rest = size
            .checked_sub(whole)
            .ok_or_else(|| lost("it has too many parts"))?;
        let mut writer = self.writer(key, state).await;
        if rest > 0 {
            let suffix = writer
                .state
                .tail
                .clone()
                .ok_or_else(|| lost("it has no tail"))?;
            let (store, name) = (self.clone(), self.tail_name(key, &suffix));
            let tail = blocking(move || store.read_tail(&name)).await?;
            if tail.len() as u64 != rest {
                return Err(lost("it lost its end"));
            }
            writer.buffer = tail;
        }
        Ok(writer)
    }

    fn read_tail(&self, name: &str) -> Result<Vec<u8>, StorageError> {
        let whole = kiln_fetch::ByteRange {
            first: 0,
            last: None,
        };
        let read = || {
            let mut bytes = vec![];
            let mut body = self.0.calls.get(name, whole)?;
            std::io::Read::read_to_end(&mut body, &mut bytes)?;
            Ok(bytes)
        };
        // Once more, because a body that breaks off is not tried again by the HTTP client.
        let bytes = read().or_else(|error: CallError| match error {
            CallError::Body(_) => read(),
            other => Err(other),
        });
        bytes.map_err(|error| self.failed("go on with", name, error))
    }
}

impl S3Writer {
    /// Takes blocks, and sends what became a part. `see` looks at each block off the runtime's threads.
    pub(in crate::storage) async fn write<L: Send + 'static>(
        mut self,
        blocks: Vec<Bytes>,
        mut look: L,
        see: impl Fn(&mut L, &[u8]) + Send + 'static,
    ) -> (L, Result<Self, StorageError>) {
        let gathering = spawn_blocking(move || {
            for block in &blocks {
                see(&mut look, block);
                self.buffer.extend_from_slice(block);
            }
            (look, self)
        });
        let (look, mut writer) = gathering.await.expect("because it does not panic");
        while writer.buffer.len() >= writer.state.part {
            let rest = writer.buffer.split_off(writer.state.part);
            let part = std::mem::replace(&mut writer.buffer, rest);
            if let Err(error) = writer.send(part).await {
                return (look, Err(error));
            }
        }
        (look, Ok(writer))
    }

    /// Sends a part when the one before is there.
    async fn send(&mut self, part: Vec<u8>) -> Result<(), StorageError> {
        self.settle().await?;
        let (store, name) = (self.store.clone(), self.store.name(&self.key));
        let (upload, number) = (self.state.upload.clone(), self.state.tags.len() + 1);
        self.sending = Some(spawn_blocking(move || {
            let calls = &store.0.calls;
            let upload = match upload {
                Some(upload) => upload,
                None => calls.begin(&name)?,
            };
            let tag = calls.put_part(&name, &upload, number, &part)?;
            Ok((upload, tag))
        }));
        Ok(())
    }

    /// Waits until the part that is on its way is there.
    async fn settle(&mut self) -> Result<(), StorageError> {
        let Some(sending) = self.sending.take() else {
            return Ok(());
        };
        let sent = sending.await.map_err(StorageError::abandoned)?;
        let (upload, tag) = sent.map_err(|error| {
            let name = self.store.name(&self.key);
            self.store.failed("write", &name, error)
        })?;
        self.state.upload = Some(upload);
        self.state.tags.push(tag);
        Ok(())
    }

    /// Puts all of it where another request finds it; what that has to know.
    pub(in crate::storage) async fn pause(mut self) -> Result<Vec<u8>, StorageError> {
        self.settle().await?;
        let suffix = ObjectKey::unique().as_str()[..8].to_owned();
        let tail = (!self.buffer.is_empty()).then_some(suffix);
        let before = std::mem::replace(&mut self.state.tail, tail);
        let stale = std::mem::replace(&mut self.state.stale, before);
        let saved = serde_json::to_vec(&self.state);
        let saved = saved.expect("because it is text and numbers");
        blocking(move || {
            if let Some(suffix) = &self.state.tail {
                let name = self.store.tail_name(&self.key, suffix);
                let put = self.store.0.calls.put(&name, &self.buffer);
                put.map_err(|error| self.store.failed("write", &name, error))?;
            }
            self.forget(stale);
            Ok(saved)
        })
        .await
    }

    /// Makes it an object that can be read.
    pub(in crate::storage) async fn finish(mut self) -> Result<(), StorageError> {
        self.settle().await?;
        blocking(move || {
            let name = self.store.name(&self.key);
            let finished = self.finish_now(&name);
            finished.map_err(|error| self.store.failed("finish", &name, error))?;
            let tails = [self.state.tail.take(), self.state.stale.take()];
            self.forget(tails.into_iter().flatten());
            Ok(())
        })
        .await
    }

    fn finish_now(&mut self, name: &str) -> Result<(), CallError> {
        let calls = &self.store.0.calls;
        let Some(upload) = &self.state.upload else {
            return calls.put(name, &self.buffer);
        };
        let whole = self.state.tags.len() as u64 * self.state.part as u64;
        if !self.buffer.is_empty() {
            let number = self.state.tags.len() + 1;
            let tag = calls.put_part(name, upload, number, &self.buffer)?;
            self.state.tags.push(tag);
        }
        let size = whole + self.buffer.len() as u64;
        calls.complete(name, upload, &self.state.tags, size)
    }

    /// Removes tails that no row names. What cannot be removed goes with the object.
    fn forget(&self, suffixes: impl IntoIterator<Item = String>) {
        for suffix in suffixes {
            let name = self.store.tail_name(&self.key, &suffix);
            let _ = self.store.0.calls.delete(&name);
        }
    }
}
