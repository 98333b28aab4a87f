//! Doing what was planned: blobs at once, then manifests rank by rank.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use kiln_oci::Descriptor;

use super::plan::{Filing, Node, plan};
use super::{
    ContentSource, ContentTarget, TransferError, TransferEvent, TransferOptions, Transferred,
};
use crate::blob::{BlobSource, Uploaded};

/// Brings `root` and all that it names from `source` to `target`.
///
/// # Errors
/// The first thing that went wrong. The target may have blobs and manifests then that nothing names; the tag is not
/// touched.
pub fn transfer(
    source: &dyn ContentSource,
    target: &dyn ContentTarget,
    root: &Descriptor,
    options: &TransferOptions<'_>,
) -> Result<Transferred, TransferError> {
    let mut plan = plan(source, root, options)?;
    let mut done = Transferred::default();
    let run = Run {
        source,
        target,
        options,
        failed: AtomicBool::new(false),
    };
    let (foreign, blobs): (Vec<_>, Vec<_>) = plan
        .blobs
        .drain(..)
        .partition(|blob| target.leaves_out_foreign_layers() && is_foreign(blob));
    run.tell(TransferEvent::Planned { blobs: &blobs });
    for blob in &foreign {
        run.tell(TransferEvent::LeftOut { blob });
    }
    done.left_out = foreign.len();
    for (blob, how) in blobs.iter().zip(run.each(&blobs, |blob| run.blob(blob))?) {
        match how {
            Uploaded::Existed => done.existed += 1,
            Uploaded::Mounted => done.mounted += 1,
            Uploaded::Sent => {
                done.sent += 1;
                done.bytes += blob.size;
            }
        }
    }
    for rank in plan.nodes.chunk_by(|a, b| a.rank() == b.rank()) {
        run.each(rank, |node| run.file(node))?;
        done.manifests += rank.len();
        done.attached += rank.iter().filter(|node| node.generation > 0).count();
    }
    Ok(done)
}

/// Layers that are not to be put on registries: the OCI image specification's non-distributable ones, and Docker's
/// foreign ones.
fn is_foreign(blob: &Descriptor) -> bool {
    blob.media_type.contains(".nondistributable.") || blob.media_type.contains(".foreign.")
}

struct Run<'a> {
    source: &'a dyn ContentSource,
    target: &'a dyn ContentTarget,
    options: &'a TransferOptions<'a>,
    /// Something went wrong: the others need not go on.
    failed: AtomicBool,
}

impl Run<'_> {
    fn tell(&self, event: TransferEvent<'_>) {
        if let Some(on_event) = self.options.on_event {
            on_event(event);
        }
    }

    fn is_over(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.options.cancelled.load(Ordering::Relaxed)
    }

    /// Does the work for each item, several at once, and gives the results in the items' order.
    fn each<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R, TransferError> + Sync,
    ) -> Result<Vec<R>, TransferError> {
        let next = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
        let error = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..self.options.parallel.clamp(1, items.len().max(1)) {
                scope.spawn(|| {
                    while !self.is_over() {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index) else { return };
                        match work(item) {
                            Ok(result) => {
                                results.lock().unwrap_or_else(PoisonError::into_inner)[index] =
                                    Some(result);
                            }
                            Err(found) => {
                                // What comes after the first error is often only its echo.
                                let mut error =
                                    error.lock().unwrap_or_else(PoisonError::into_inner);
                                error.get_or_insert(found);
                                self.failed.store(true, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        if self.options.cancelled.load(Ordering::Relaxed) {
            return Err(TransferError::Cancelled);
        }
        if let Some(error) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(results.into_iter().flatten().collect())
    }

    fn blob(&self, blob: &Descriptor) -> Result<Uploaded, TransferError> {
        self.tell(TransferEvent::Started { blob });
        let what = || format!("the blob {}", blob.digest);
        let source = self
            .source
            .blob(blob)
            .map_err(|source| TransferError::Source {
                what: what(),
                source,
            })?;
        let source = Stoppable {
            inner: &*source,
            run: self,
        };
        let progress = |bytes| self.tell(TransferEvent::Moved { blob, bytes });
        let how = self
            .target
            .put_blob(blob, &source, self.source.origin(blob), &progress)
            .map_err(|source| TransferError::Target {
                what: what(),
                source,
            })?;
        self.tell(TransferEvent::Done { blob, how });
        Ok(how)
    }

    fn file(&self, node: &Node) -> Result<(), TransferError> {
        let (descriptor, bytes) = (&node.descriptor, &node.bytes);
        let (result, tag) = match &node.filing {
            Filing::Plain => (self.target.put_manifest(descriptor, bytes, None), None),
            Filing::Tagged(tag) => (
                self.target.put_manifest(descriptor, bytes, Some(tag)),
                Some(tag.as_str()),
            ),
            Filing::Referrer => (self.target.put_referrer(descriptor, bytes), None),
        };
        let what = || format!("the manifest {}", descriptor.digest);
        result.map_err(|source| TransferError::Target {
            what: what(),
            source,
        })?;
        self.tell(TransferEvent::Filed {
            manifest: descriptor,
            tag,
        });
        Ok(())
    }
}

/// A source whose readers end with an error once the transfer is over.
struct Stoppable<'a> {
    inner: &'a dyn BlobSource,
    run: &'a Run<'a>,
}

impl BlobSource for Stoppable<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(StoppableReader {
            inner: self.inner.open(offset)?,
            run: self.run,
        }))
    }
}

struct StoppableReader<'a> {
    inner: Box<dyn Read + Send + 'a>,
    run: &'a Run<'a>,
}

impl Read for StoppableReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.run.is_over() {
            return Err(io::Error::other("the transfer was stopped"));
        }
        self.inner.read(buffer)
    }
}
