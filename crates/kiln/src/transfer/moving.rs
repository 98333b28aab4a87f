//! Transfers as a person sees them: each blob is a step with a bar for its bytes.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kiln_build::{Event, Observer, StepId};
use kiln_oci::{Descriptor, media_type};

use crate::ui::size::Size;

/// All transfers of one command.
pub(crate) struct Transfers<'a> {
    observer: &'a dyn Observer,
    steps: &'a AtomicUsize,
}

/// One blob on its way. Dropped before its end, it failed.
pub(crate) struct Moving<'a> {
    observer: &'a dyn Observer,
    step: StepId,
    total: u64,
    started: Instant,
    is_over: bool,
}

impl<'a> Transfers<'a> {
    /// Nothing moves yet. `steps` is how many steps `observer` has heard of.
    pub(crate) fn new(observer: &'a dyn Observer, steps: &'a AtomicUsize) -> Self {
        Self { observer, steps }
    }

    /// Something that a person should know.
    pub(crate) fn warn(&self, message: &str) {
        self.observer.event(&Event::Warning { message });
    }

    /// A blob begins to move.
    pub(crate) fn begin(&self, descriptor: &Descriptor) -> Moving<'a> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!(
            "{} {} {}",
            kind(descriptor),
            descriptor.digest.short(),
            Size(descriptor.size)
        );
        self.observer.event(&Event::Started { step, name: &name });
        Moving {
            observer: self.observer,
            step,
            total: descriptor.size,
            started: Instant::now(),
            is_over: false,
        }
    }
}

/// What a person calls the content.
fn kind(descriptor: &Descriptor) -> &'static str {
    let kind = descriptor.media_type.as_str();
    match kind {
        _ if media_type::is_layer(kind) => "layer",
        _ if media_type::is_index(kind) => "index",
        _ if media_type::is_manifest(kind) => "manifest",
        media_type::OCI_CONFIG | media_type::DOCKER_CONFIG => "config",
        _ => "blob",
    }
}

impl Moving<'_> {
    /// So many bytes have moved.
    pub(crate) fn progress(&self, done: u64) {
        self.observer.event(&Event::Progress {
            step: self.step,
            done,
            total: Some(self.total),
        });
    }

    /// Passes content on and tells how much of it went by.
    pub(crate) fn counted<R: Read>(&self, content: R) -> Counted<R, impl Fn(u64)> {
        Counted::new(content, |done| self.progress(done))
    }

    /// It was there already.
    pub(crate) fn existed(mut self) {
        self.is_over = true;
        self.observer.event(&Event::Cached { step: self.step });
    }

    /// It has arrived.
    pub(crate) fn arrived(mut self) {
        self.is_over = true;
        self.observer.event(&Event::Finished {
            step: self.step,
            elapsed: self.started.elapsed(),
        });
    }
}

/// Content that tells how much of it was read.
pub(crate) struct Counted<R, F> {
    content: R,
    done: u64,
    tell: F,
}

impl<R: Read, F: Fn(u64)> Counted<R, F> {
    /// Nothing was read yet.
    pub(crate) fn new(content: R, tell: F) -> Self {
        Self {
            content,
            done: 0,
            tell,
        }
    }
}

impl<R: Read, F: Fn(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.done += read as u64;
        (self.tell)(self.done);
        Ok(read)
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.observer.event(&Event::Failed {
                step: self.step,
                elapsed: self.started.elapsed(),
            });
        }
    }
}
