//! Work that takes longer than a request may: it is begun by one request and looked at by others.
//!
//! One job of a kind runs at a time in a server. What is known of it is in this server's memory: replicas have
//! jobs of their own, and after a restart none is known.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::failure::Failure;
use crate::clock::Clock;
use crate::content::ContentError;

/// How a job stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct Job<T> {
    /// Whether it runs now.
    running: bool,
    /// When it was last begun, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<i64>,
    /// When it last ended, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<i64>,
    /// What came out, if it ended well.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<T>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The place of one kind of job.
#[derive(Debug)]
pub(super) struct Slot<T>(Arc<Mutex<Job<T>>>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Job {
            running: false,
            begun: None,
            ended: None,
            result: None,
            error: None,
        })))
    }
}

impl<T: Clone + Send + 'static> Slot<T> {
    /// How it stands.
    pub(super) fn look(&self) -> Job<T> {
        lock(&self.0).clone()
    }

    /// Begins the job.
    ///
    /// # Errors
    /// When it runs already.
    pub(super) fn begin(
        &self,
        clock: &Clock,
        work: impl Future<Output = Result<T, ContentError>> + Send + 'static,
    ) -> Result<Job<T>, Failure> {
        let mut job = lock(&self.0);
        if job.running {
            return Err(Failure::in_use("it runs already"));
        }
        *job = Job {
            running: true,
            begun: Some(clock.now()),
            ended: None,
            result: None,
            error: None,
        };
        let running = Running {
            job: Arc::clone(&self.0),
            clock: clock.clone(),
        };
        tokio::spawn(async move {
            let outcome = work.await;
            running.end(outcome);
        });
        Ok(job.clone())
    }
}

/// A job that runs. Dropped without an end, by a panic, it ends as failed: the next one can begin.
struct Running<T> {
    job: Arc<Mutex<Job<T>>>,
    clock: Clock,
}

impl<T> Running<T> {
    fn end(&self, outcome: Result<T, ContentError>) {
        let mut job = lock(&self.job);
        job.running = false;
        job.ended = Some(self.clock.now());
        match outcome {
            Ok(result) => job.result = Some(result),
            Err(error) => job.error = Some(chain(&error)),
        }
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        let mut job = lock(&self.job);
        if job.running {
            job.running = false;
            job.ended = Some(self.clock.now());
            job.error = Some("it was broken off".to_owned());
        }
    }
}

fn lock<T>(job: &Mutex<T>) -> MutexGuard<'_, T> {
    job.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error with its causes: administrators read it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets tasks that are ready run: on a runtime of one thread, yielding runs the others first.
    async fn settle(slot: &Slot<u64>) -> Job<u64> {
        while slot.look().running {
            tokio::task::yield_now().await;
        }
        slot.look()
    }

    #[tokio::test]
    async fn one_at_a_time_and_the_next_after_a_panic() {
        let (slot, clock) = (Slot::default(), Clock::standing_at(5));
        let (go, wait) = tokio::sync::oneshot::channel::<u64>();
        let begun = slot.begin(&clock, async { Ok(wait.await.unwrap_or_default()) });
        assert!(begun.is_ok_and(|job| job.running && job.begun == Some(5)));
        assert!(slot.begin(&clock, async { Ok(2) }).is_err());
        go.send(7).unwrap();
        let job = settle(&slot).await;
        assert_eq!((job.result, job.ended, job.error), (Some(7), Some(5), None));

        assert!(
            slot.begin(&clock, async { panic!("as the test wants it") })
                .is_ok()
        );
        let job = settle(&slot).await;
        assert_eq!(
            (job.result, job.error.as_deref()),
            (None, Some("it was broken off"))
        );
        assert!(slot.begin(&clock, async { Ok(3) }).is_ok());
        assert_eq!(settle(&slot).await.result, Some(3));
    }
}
