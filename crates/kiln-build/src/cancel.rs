//! Stopping a build: because a step failed, or because the person has had enough.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kiln_run::sandbox::Handle;

/// Shared by everything that works on one build. Once cancelled it stays so.
#[derive(Debug, Default)]
pub struct Cancel {
    cancelled: Arc<AtomicBool>,
    running: Mutex<Vec<(u64, Handle)>>,
}

/// Unregisters a process when dropped.
#[derive(Debug)]
pub(crate) struct Registered<'a> {
    cancel: &'a Cancel,
    id: u64,
}

impl Cancel {
    /// Nothing is cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True once cancelled, for whoever works for the build and cannot be told.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Stops the build: running processes are killed, no further step begins.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        for (_, handle) in self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            handle.kill();
        }
    }

    /// Whether the build is being stopped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Has the process killed on cancellation, until the result is dropped.
    pub(crate) fn register(&self, handle: Handle) -> Registered<'_> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let id = running.last().map_or(0, |(id, _)| id + 1);
        running.push((id, handle));
        let late = running
            .last()
            .filter(|_| self.is_cancelled())
            .map(|(_, handle)| handle.clone());
        drop(running);
        if let Some(handle) = late {
            handle.kill();
        }
        Registered { cancel: self, id }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut running = self
            .cancel
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running.retain(|(id, _)| *id != self.id);
    }
}
