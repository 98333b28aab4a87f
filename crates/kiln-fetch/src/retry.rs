//! When to try again, and how long to wait before.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::date::parse_http_date;
use crate::headers::Headers;
use crate::options::Retries;

/// Counts the attempts of one request.
#[derive(Debug)]
pub struct Backoff {
    retries: Retries,
    done: u32,
}

impl Backoff {
    /// None has been made yet.
    #[must_use]
    pub fn new(retries: Retries) -> Self {
        Self { retries, done: 0 }
    }

    /// How long to wait before the next attempt; `None` when there should be none. `retry_after` is
    /// what the server asked for ([`retry_after`]).
    pub fn next(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        if self.done >= self.retries.max {
            return None;
        }
        let doubled = 2_u32.saturating_pow(self.done);
        self.done += 1;
        match retry_after {
            // To come back sooner than asked would be answered the same way.
            Some(asked) => (asked <= self.retries.max_delay).then_some(asked),
            None => {
                let whole = self.retries.base_delay.saturating_mul(doubled);
                Some(upper_half(whole.min(self.retries.max_delay)))
            }
        }
    }

    /// Forgets the failures so far: the transfer has moved on since.
    pub fn reset(&mut self) {
        self.done = 0;
    }
}

/// A random time between half of `whole` and all of it.
fn upper_half(whole: Duration) -> Duration {
    // A fresh RandomState is seeded at random: good enough to spread clients, and no crate more.
    let random = RandomState::new().build_hasher().finish();
    let fraction = (random >> 11) as f64 / (1_u64 << 53) as f64;
    whole.mul_f64(0.5 + fraction / 2.0)
}

/// Whether an answer with this status may be another one a little later (RFC 9110 section 15;
/// 429 is RFC 6585). 501 and 505 say that the server will never do it.
#[must_use]
pub fn status_may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599) && !matches!(status, 501 | 505)
}

/// `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3).
#[must_use]
pub fn retry_after(headers: &Headers) -> Option<Duration> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    parse_retry_after(headers.get("retry-after")?, now)
}

fn parse_retry_after(text: &str, now: Duration) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = parse_http_date(text)?;
    Some(Duration::from_secs(u64::try_from(date).unwrap_or(0)).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries() -> Retries {
        Retries {
            max: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(3),
        }
    }

    #[test]
    fn waits_double_up_to_the_most() {
        for _ in 0..100 {
            let mut backoff = Backoff::new(retries());
            for (low, high) in [(500, 1_000), (1_000, 2_000), (1_500, 3_000)] {
                let wait = backoff.next(None).expect("an attempt is left").as_millis();
                assert!((low..=high).contains(&wait), "{wait} not in {low}..={high}");
            }
            assert_eq!(backoff.next(None), None);
        }
    }

    #[test]
    fn waits_differ() {
        let first = upper_half(Duration::from_secs(1_000));
        assert!((0..100).any(|_| upper_half(Duration::from_secs(1_000)) != first));
    }

    #[test]
    fn the_server_is_obeyed_within_reason() {
        let mut backoff = Backoff::new(retries());
        assert_eq!(backoff.next(Some(Duration::ZERO)), Some(Duration::ZERO));
        assert_eq!(
            backoff.next(Some(Duration::from_secs(3))),
            Some(Duration::from_secs(3))
        );
        assert_eq!(backoff.next(Some(Duration::from_secs(4))), None);
        backoff.reset();
        assert!(backoff.next(None).is_some());
        let endless = Retries {
            max: u32::MAX,
            ..retries()
        };
        let mut backoff = Backoff {
            retries: endless,
            done: 1_000,
        };
        assert!(backoff.next(None).expect("a wait") <= Duration::from_secs(3));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Duration::from_secs(784_111_777);
        let parse = |text| parse_retry_after(text, now);
        assert_eq!(parse(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(
            parse("Sun, 06 Nov 1994 08:50:07 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(parse("Sun, 06 Nov 1993 08:50:07 GMT"), Some(Duration::ZERO));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }

    #[test]
    fn only_passing_trouble_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504, 599] {
            assert!(status_may_pass(status), "{status}");
        }
        for status in [200, 304, 400, 401, 404, 501, 505, 600] {
            assert!(!status_may_pass(status), "{status}");
        }
    }
}
