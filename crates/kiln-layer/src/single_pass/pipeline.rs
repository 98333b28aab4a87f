//! A second thread that hashes a stream and passes it on, in blocks that are used again and again.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use kiln_oci::{Digest, DigestWriter};

/// Large enough that handing over costs nothing, small enough to stay in the processor's cache.
pub(super) const BLOCK: usize = 1 << 20;

/// Blocks under way. With the one being filled they bound the memory of a pass.
const DEPTH: usize = 3;

/// A block and how many of its bytes count.
struct Filled {
    block: Box<[u8]>,
    len: usize,
}

/// The near end of the pipeline: bytes go in here.
#[derive(Debug)]
pub(super) struct Pipeline<W> {
    block: Box<[u8]>,
    len: usize,
    /// Bytes that went in, those in the current block included.
    written: u64,
    full: Option<SyncSender<Filled>>,
    empty: Receiver<Box<[u8]>>,
    spare: usize,
    thread: Option<JoinHandle<io::Result<(W, Digest, u64)>>>,
}

impl<W: Write + Send + 'static> Pipeline<W> {
    /// Starts the thread that writes to `out`.
    pub(super) fn new(out: W) -> Self {
        let (full, arriving) = sync_channel(DEPTH);
        let (returning, empty) = sync_channel(DEPTH + 1);
        let thread = std::thread::spawn(move || run(out, &arriving, &returning));
        Self {
            block: vec![0; BLOCK].into_boxed_slice(),
            len: 0,
            written: 0,
            full: Some(full),
            empty,
            spare: DEPTH,
            thread: Some(thread),
        }
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Room for at least one byte at the end of the current block.
    pub(super) fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.len == BLOCK {
            self.hand_over()?;
        }
        Ok(&mut self.block[self.len..])
    }

    /// Says that the first `len` bytes of the room were filled, and gives them.
    pub(super) fn fill(&mut self, len: usize) -> &[u8] {
        let begin = self.len;
        self.len += len;
        self.written += len as u64;
        &self.block[begin..self.len]
    }

    pub(super) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let step = room.len().min(bytes.len());
            room[..step].copy_from_slice(&bytes[..step]);
            self.fill(step);
            bytes = &bytes[step..];
        }
        Ok(())
    }

    /// Waits for the thread: the writer, flushed, the digest of all bytes and their number.
    pub(super) fn finish(mut self) -> io::Result<(W, Digest, u64)> {
        self.hand_over()?;
        self.full = None;
        self.outcome()
    }

    /// Gives the block to the thread and takes an empty one.
    fn hand_over(&mut self) -> io::Result<()> {
        let next = match self.empty.try_recv() {
            Ok(block) => block,
            Err(_) if self.spare > 0 => {
                self.spare -= 1;
                vec![0; BLOCK].into_boxed_slice()
            }
            Err(_) => match self.empty.recv() {
                Ok(block) => block,
                Err(_) => return self.broken(),
            },
        };
        let block = std::mem::replace(&mut self.block, next);
        let len = std::mem::take(&mut self.len);
        match &self.full {
            Some(full) if full.send(Filled { block, len }).is_ok() => Ok(()),
            _ => self.broken(),
        }
    }

    /// The thread is gone: the reason is its result.
    fn broken(&mut self) -> io::Result<()> {
        self.full = None;
        match self.outcome() {
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other("the layer's writer has already failed")),
        }
    }

    fn outcome(&mut self) -> io::Result<(W, Digest, u64)> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(io::Error::other("the layer's writer has already failed")),
        }
    }
}

impl<W> Drop for Pipeline<W> {
    /// Waits until the writer is dropped, so that a temporary file is gone when this returns.
    fn drop(&mut self) {
        self.full = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed; there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

fn run<W: Write>(
    out: W,
    arriving: &Receiver<Filled>,
    returning: &SyncSender<Box<[u8]>>,
) -> io::Result<(W, Digest, u64)> {
    let mut out = DigestWriter::new(out);
    for Filled { block, len } in arriving {
        out.write_all(&block[..len])?;
        // The other side may be done and gone.
        let _ = returning.send(block);
    }
    out.flush()?;
    Ok(out.finish())
}
