//! The registry's clock: the system's, or one that a test sets.
//!
//! Every time in the database is a number of milliseconds since 1970 that the server gives; the
//! database's own clock is never asked, so that leases and tests see one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time in milliseconds since 1970. Clones share one clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `now`, milliseconds since 1970, until it is moved.
    #[must_use]
    pub fn standing_at(now: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now))))
    }

    /// The time now, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(standing) => standing.load(Ordering::SeqCst),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                // A machine that believes to live before 1970 gets leases that began in 1970.
                since.map_or(0, milliseconds)
            }
        }
    }

    /// Moves a standing clock on. The system's clock cannot be moved; then nothing happens.
    pub fn advance(&self, by: Duration) {
        if let Some(standing) = &self.0 {
            standing.fetch_add(milliseconds(by), Ordering::SeqCst);
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
}
