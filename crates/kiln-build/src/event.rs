//! What a build tells while it runs. The binary draws it; nothing here prints.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Names a step within one build. Steps are numbered in the order in which they start.
pub type StepId = usize;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step began.
    Started {
        /// Its number.
        step: StepId,
        /// What a person sees: `[builder 2/5] RUN go build`.
        name: &'a str,
    },
    /// A step's result was at hand.
    Cached {
        /// Its number.
        step: StepId,
    },
    /// A process wrote something. Chunks end anywhere, not at lines.
    Output {
        /// Whose process it is.
        step: StepId,
        /// What it wrote.
        bytes: &'a [u8],
    },
    /// Bytes went by: copied, packed, downloaded.
    Progress {
        /// By which step.
        step: StepId,
        /// So far.
        done: u64,
        /// In all, where that is known.
        total: Option<u64>,
    },
    /// A step ended well.
    Finished {
        /// Its number.
        step: StepId,
        /// How long it took.
        elapsed: Duration,
    },
    /// A step failed; the build's error says why.
    Failed {
        /// Its number.
        step: StepId,
        /// How long it took.
        elapsed: Duration,
    },
    /// Something that a person should know, in one line.
    Warning {
        /// The line.
        message: &'a str,
    },
}

/// Whoever watches a build. Called from several threads at once.
pub trait Observer: Send + Sync {
    /// Takes notice. Slow observers slow the build down.
    fn event(&self, event: &Event<'_>);
}

/// Warnings of one build. Platforms that are built side by side come to the same ones; each is said once.
pub(crate) struct Warnings<'a> {
    observer: &'a dyn Observer,
    said: Mutex<BTreeSet<String>>,
}

impl<'a> Warnings<'a> {
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        let said = Mutex::default();
        Self { observer, said }
    }

    /// Says `message`, unless it was said before.
    pub(crate) fn say(&self, message: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.contains(&message) {
            self.observer.event(&Event::Warning { message: &message });
            said.insert(message);
        }
    }
}

/// An observer that looks away.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event<'_>) {}
}
