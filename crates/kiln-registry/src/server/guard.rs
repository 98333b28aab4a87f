//! A connection whose other end must keep reading: writes that make no progress for too long fail.
//!
//! Without this, a client that asks for a layer and never reads it holds a connection, a file and a
//! block of memory for ever. Progress is counted in steps, so that reading a byte a minute is no
//! progress either. (That a client keeps *sending* is watched where bodies are read, because an idle
//! connection is no fault.)

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What counts as progress, in bytes.
pub(crate) const STEP: usize = 4096;

/// A stream with a watch on its writes.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    patience: Duration,
    /// Made at the first write that has to wait; most connections never have one.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    progress: usize,
}

impl<S> Guard<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            timer: None,
            waiting: false,
            progress: 0,
        }
    }

    /// Judges what a write of `offered` bytes came to.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(written)) => {
                self.progress += written;
                if written == offered || self.progress >= STEP {
                    self.waiting = false;
                    self.progress = 0;
                }
                outcome
            }
            Poll::Ready(Err(_)) => outcome,
            Poll::Pending => {
                let patience = self.patience;
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
                if !self.waiting {
                    self.waiting = true;
                    timer.as_mut().reset(Instant::now() + patience);
                }
                match timer.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, bytes.len(), outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let offered = slices.iter().map(|slice| slice.len()).sum();
        self.judge(cx, offered, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    }

    #[test]
    fn a_reader_that_stops_ends_the_connection() {
        runtime().block_on(async {
            let (near, _far) = duplex(1024);
            let mut guard = Guard::new(near, Duration::from_millis(10));
            let error = guard.write_all(&[0; 4096]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_reader_that_goes_on_is_left_alone() {
        runtime().block_on(async {
            let (near, mut far) = duplex(1024);
            let mut guard = Guard::new(near, Duration::from_secs(600));
            let reader = async {
                let mut all = vec![];
                far.read_to_end(&mut all).await.map(|_| all.len())
            };
            let writer = async {
                guard.write_all(&[0; 100_000]).await?;
                guard.shutdown().await
            };
            let (read, written) = tokio::join!(reader, writer);
            written.unwrap();
            assert_eq!(read.unwrap(), 100_000);
        });
    }
}
