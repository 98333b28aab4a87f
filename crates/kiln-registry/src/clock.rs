//! The registry's clock: the system's, or one that a test sets.
//!
//! Every time in the database is a number of milliseconds since 1970 that the server gives; the
//! database's own clock is never asked, so that leases and tests see one time.
//!
//! What is counted within one process (failed logins, what is cached) goes by [`Clock::elapsed`]
//! instead: a step of the wall clock must neither free nor lock anybody.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time in milliseconds since 1970. Clones share one clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Standing>>);

/// A clock that is moved by hand.
#[derive(Debug)]
struct Standing {
    now: AtomicI64,
    elapsed: AtomicU64,
}

/// Since when the system's monotonic clock is counted.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `now`, milliseconds since 1970, until it is moved.
    #[must_use]
    pub fn standing_at(now: i64) -> Self {
        Self(Some(Arc::new(Standing {
            now: AtomicI64::new(now),
            elapsed: AtomicU64::new(0),
        })))
    }

    /// The time now, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(standing) => standing.now.load(Ordering::SeqCst),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                // A machine that believes to live before 1970 gets leases that began in 1970.
                since.map_or(0, milliseconds)
            }
        }
    }

    /// Time that went by since some moment of this process. Never goes back, whatever is done to the
    /// wall clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Some(standing) => Duration::from_millis(standing.elapsed.load(Ordering::SeqCst)),
            None => BEGIN.elapsed(),
        }
    }

    /// Moves a standing clock on. The system's clock cannot be moved; then nothing happens.
    pub fn advance(&self, by: Duration) {
        if let Some(standing) = &self.0 {
            let by = milliseconds(by);
            standing.now.fetch_add(by, Ordering::SeqCst);
            standing
                .elapsed
                .fetch_add(by.unsigned_abs(), Ordering::SeqCst);
        }
    }

    /// Sets a standing clock forward or back by milliseconds, as an administrator or a time server
    /// sets the system's: no time goes by.
    pub fn step(&self, by: i64) {
        if let Some(standing) = &self.0 {
            standing.now.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// A duration in whole milliseconds; one that no clock can hold becomes the longest.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_only_when_told() {
        let clock = Clock::standing_at(5);
        let same = clock.clone();
        assert_eq!(clock.now(), 5);
        same.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), 2005);
        assert!(Clock::system().now() > 1_600_000_000_000);
    }

    #[test]
    fn a_step_moves_the_wall_clock_only() {
        let clock = Clock::standing_at(10_000);
        clock.advance(Duration::from_secs(1));
        clock.step(-9_000);
        assert_eq!(clock.now(), 2_000);
        assert_eq!(clock.elapsed(), Duration::from_secs(1));
        let system = Clock::system();
        assert!(system.elapsed() <= system.elapsed());
    }
}
