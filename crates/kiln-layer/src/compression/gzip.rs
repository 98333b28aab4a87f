//! gzip on several threads, with the same bytes as on one.
//!
//! The input is cut into blocks of a fixed size. Each is compressed on its own, with the end of the
//! block before it as dictionary, and ends at a byte boundary (a "sync flush", RFC 1951 section
//! 3.2.4), so that all of them together are one deflate stream in one gzip member. The cuts depend
//! on the input alone, and so do the bytes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The cut. Smaller ones cost size, larger ones memory and idle threads at the end.
const BLOCK: usize = 256 << 10;

/// How far deflate looks back.
const WINDOW: usize = 32 << 10;

/// No name, no time, unknown system: nothing of the machine gets into the bytes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A block to be compressed, after the dictionary that precedes it.
struct Job {
    input: Vec<u8>,
    /// Where in `input` the block begins.
    begin: usize,
    is_last: bool,
}

impl Job {
    /// What may be looked back at in the block after this one.
    fn dictionary(&self) -> &[u8] {
        &self.input[self.input.len().saturating_sub(WINDOW)..]
    }
}

type Reply = io::Result<Vec<u8>>;

/// Writes a gzip stream to `W`.
pub(super) struct GzipEncoder<W> {
    out: W,
    level: Compression,
    next: Job,
    crc: Crc,
    size: u64,
    header_written: bool,
    workers: Option<Workers>,
    /// For the caller's thread, when there are no workers.
    own: Compress,
}

impl<W: Write> GzipEncoder<W> {
    pub(super) fn new(out: W, level: u32, threads: usize) -> io::Result<Self> {
        if level > 9 {
            return Err(io::Error::other("gzip has levels 0 to 9"));
        }
        let level = Compression::new(level);
        Ok(Self {
            out,
            level,
            next: Job::after(&[]),
            crc: Crc::new(),
            size: 0,
            header_written: false,
            workers: (threads > 1).then(|| Workers::start(threads, level)),
            own: Compress::new(level, false),
        })
    }

    /// Writes the rest and the end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.submit(true)?;
        if let Some(workers) = &mut self.workers {
            while let Some(block) = workers.oldest() {
                self.out.write_all(&block?)?;
            }
        }
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        // Modulo 2^32, as the format says.
        self.out.write_all(&(self.size as u32).to_le_bytes())?;
        Ok(self.out)
    }

    /// Sends the block that is being filled on its way and begins the next one.
    fn submit(&mut self, is_last: bool) -> io::Result<()> {
        if !self.header_written {
            let mut header = HEADER;
            // Tells how hard the compressor tried, as gzip itself does.
            header[8] = match self.level.level() {
                9 => 2,
                1 => 4,
                _ => 0,
            };
            self.out.write_all(&header)?;
            self.header_written = true;
        }
        let following = Job::after(self.next.dictionary());
        let mut job = std::mem::replace(&mut self.next, following);
        job.is_last = is_last;
        let Some(workers) = &mut self.workers else {
            let block = deflate(&mut self.own, &job)?;
            return self.out.write_all(&block);
        };
        if workers.are_busy()
            && let Some(block) = workers.oldest()
        {
            self.out.write_all(&block?)?;
        }
        workers.submit(job)
    }
}

impl<W: Write> Write for GzipEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.next.input.len() - self.next.begin == BLOCK {
            self.submit(false)?;
        }
        let room = BLOCK - (self.next.input.len() - self.next.begin);
        let taken = &bytes[..bytes.len().min(room)];
        self.next.input.extend_from_slice(taken);
        self.crc.update(taken);
        self.size += taken.len() as u64;
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Job {
    fn after(dictionary: &[u8]) -> Self {
        let mut input = Vec::with_capacity(WINDOW + BLOCK);
        input.extend_from_slice(dictionary);
        Self {
            begin: input.len(),
            input,
            is_last: false,
        }
    }
}

/// One block as a piece of a deflate stream.
fn deflate(compress: &mut Compress, job: &Job) -> Reply {
    let (dictionary, block) = job.input.split_at(job.begin);
    compress.reset();
    if !dictionary.is_empty() {
        compress
            .set_dictionary(dictionary)
            .map_err(io::Error::other)?;
    }
    let flush = if job.is_last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let mut out = Vec::with_capacity(block.len() / 2 + 64);
    loop {
        let taken = compress.total_in() as usize;
        let status = compress
            .compress_vec(&block[taken..], &mut out, flush)
            .map_err(io::Error::other)?;
        let is_complete = match status {
            Status::StreamEnd => true,
            // A sync flush is complete when there was room to spare.
            _ => {
                !job.is_last
                    && compress.total_in() as usize == block.len()
                    && out.len() < out.capacity()
            }
        };
        if is_complete {
            return Ok(out);
        }
        out.reserve(block.len() / 4 + 64);
    }
}

/// Threads that compress blocks, and the blocks under way in order.
struct Workers {
    jobs: Option<SyncSender<(Job, SyncSender<Reply>)>>,
    under_way: VecDeque<Receiver<Reply>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start(threads: usize, level: Compression) -> Self {
        // The queue is as long as what may be under way, so that submitting never waits.
        let (jobs, arriving) = sync_channel(2 * threads + 1);
        let arriving = Arc::new(Mutex::new(arriving));
        let spawn = |_| {
            let arriving = Arc::clone(&arriving);
            std::thread::spawn(move || work(&arriving, level))
        };
        Self {
            jobs: Some(jobs),
            under_way: VecDeque::new(),
            threads: (0..threads).map(spawn).collect(),
        }
    }

    fn are_busy(&self) -> bool {
        self.under_way.len() >= 2 * self.threads.len()
    }

    fn submit(&mut self, job: Job) -> io::Result<()> {
        let (reply, block) = sync_channel(1);
        let sent = self.jobs.as_ref().map(|jobs| jobs.send((job, reply)));
        if !matches!(sent, Some(Ok(()))) {
            return Err(gone());
        }
        self.under_way.push_back(block);
        Ok(())
    }

    /// The first of the blocks under way, waited for.
    fn oldest(&mut self) -> Option<Reply> {
        let block = self.under_way.pop_front()?;
        Some(block.recv().unwrap_or_else(|_| Err(gone())))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic of a worker was printed and came out as an error.
            let _ = thread.join();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("a thread that compresses has ended")
}

fn work(arriving: &Mutex<Receiver<(Job, SyncSender<Reply>)>>, level: Compression) {
    let mut compress = Compress::new(level, false);
    loop {
        let next = arriving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((job, reply)) = next else { return };
        // The encoder may be gone after an error.
        let _ = reply.send(deflate(&mut compress, &job));
    }
}
