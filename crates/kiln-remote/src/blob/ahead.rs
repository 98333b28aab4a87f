//! A blob in several ranges at once, handed out in order.
//!
//! One connection is often slower than the network: registries limit each, and a lost packet holds up all behind it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use kiln_fetch::ResponseBody;
use kiln_oci::Descriptor;

use super::read::Part;
use crate::error::RemoteError;
use crate::repository::Repository;

/// Bytes of one range. So many are in memory for each request under way.
pub(super) const CHUNK: u64 = 4 << 20;

type Chunk = Result<Vec<u8>, RemoteError>;

/// Fetches ranges ahead of what was read.
pub(super) struct Ahead {
    repository: Repository,
    descriptor: Descriptor,
    /// Where the range begins that is asked for next.
    next: u64,
    pending: VecDeque<Receiver<Chunk>>,
    /// What is handed out now, and how much of it was.
    current: (Vec<u8>, usize),
    /// Nobody reads any more.
    stop: Arc<AtomicBool>,
}

impl Ahead {
    /// `first` is the answer to the first range.
    pub(super) fn new(
        repository: &Repository,
        descriptor: &Descriptor,
        parallel: usize,
        first: ResponseBody,
    ) -> Self {
        let mut ahead = Self {
            repository: repository.clone(),
            descriptor: descriptor.clone(),
            next: 0,
            pending: VecDeque::new(),
            current: (vec![], 0),
            stop: Arc::default(),
        };
        ahead.fetch(Some(first));
        for _ in 1..parallel {
            ahead.fetch(None);
        }
        ahead
    }

    /// Begins with the next range, if there is one left.
    fn fetch(&mut self, begun: Option<ResponseBody>) {
        let (first, end) = (self.next, self.descriptor.size.min(self.next + CHUNK));
        if first >= end {
            return;
        }
        self.next = end;
        let part = match begun {
            Some(body) => Part::begun(&self.repository, &self.descriptor, first, end, body),
            None => Part::unopened(&self.repository, &self.descriptor, first, end),
        };
        let stop = Arc::clone(&self.stop);
        let (sender, receiver) = sync_channel(1);
        thread::spawn(move || {
            // Nobody waits for it any more: then it may get lost.
            let _ = sender.send(collect(part, end - first, &stop));
        });
        self.pending.push_back(receiver);
    }

    /// Like [`std::io::Read::read`], with the typed error.
    pub(super) fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, RemoteError> {
        if self.current.1 == self.current.0.len() {
            let Some(receiver) = self.pending.pop_front() else {
                return Ok(0);
            };
            self.current = (vec![], 0);
            let chunk = receiver
                .recv()
                .expect("because each thread sends what it got before it ends");
            self.current.0 = chunk?;
            self.fetch(None);
        }
        let (bytes, at) = &mut self.current;
        let count = buffer.len().min(bytes.len() - *at);
        buffer[..count].copy_from_slice(&bytes[*at..*at + count]);
        *at += count;
        Ok(count)
    }
}

fn collect(mut part: Part, length: u64, stop: &AtomicBool) -> Chunk {
    let length = usize::try_from(length).expect("because a chunk fits into memory");
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        if stop.load(Ordering::Relaxed) {
            return Err(RemoteError::Cancelled);
        }
        filled += part.read_some(&mut bytes[filled..])?;
    }
    Ok(bytes)
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
