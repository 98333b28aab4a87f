//! Failed logins, counted by address, by account, and by both, so that passwords cannot be tried out.
//!
//! - From one address, one account may fail a few times; then each further try waits, twice as long every
//!   time. That is what somebody meets who guesses, or who forgot his password.
//! - An account may fail more often from all addresses together: guesses that are spread over many.
//! - An address may fail more often over all accounts: one password tried on many names.
//!
//! Tokens do not count. They cannot be guessed, and a build machine that repeats an expired one must not lock
//! out everybody behind the same address. Nor does who is verified already (see `verifier`) or carries a
//! token meet a lock, so that nobody can lock others out of their running work.
//!
//! The counts live in this process, with a limit on how many: replicas of a server each have their own, and so
//! allow as many times more. Writing each failure into the database would let strangers cause writes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// How many failures are free, and what comes after.
#[derive(Debug, Clone, Copy)]
pub struct LoginLimits {
    /// Free failures of one account from one address.
    pub pair: u32,
    /// Free failures of one account from all addresses.
    pub account: u32,
    /// Free failures from one address (IPv6: its /64) over all accounts.
    pub address: u32,
    /// How long the first try after those must wait; the wait doubles with each failure.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// After this long without a failure, all is forgotten.
    pub forget: Duration,
    /// How many counts are kept.
    pub counts: usize,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self {
            pair: 5,
            account: 50,
            address: 50,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(300),
            forget: Duration::from_secs(900),
            counts: 10_000,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, IpAddr),
    Account(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Duration,
}

/// The counts.
#[derive(Debug)]
pub(crate) struct Limits {
    limits: LoginLimits,
    clock: Clock,
    counts: Mutex<HashMap<Key, Failures>>,
}

impl Limits {
    pub(crate) fn new(limits: LoginLimits, clock: Clock) -> Self {
        Self {
            limits,
            clock,
            counts: Mutex::default(),
        }
    }

    /// Whether a password may be tried now.
    ///
    /// # Errors
    /// How long to wait, when not.
    pub(crate) fn check(&self, account: &str, from: IpAddr) -> Result<(), Duration> {
        let now = self.clock.elapsed();
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self
            .keys(account, from)
            .into_iter()
            .filter_map(|(key, free)| Some(self.wait(*counts.get(&key)?, free, now)))
            .max()
            .unwrap_or_default();
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// A password was wrong.
    pub(crate) fn failed(&self, account: &str, from: IpAddr) {
        let now = self.clock.elapsed();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in self.keys(account, from) {
            if counts.len() >= self.limits.counts && !counts.contains_key(&key) {
                make_room(&mut counts, now, &self.limits);
            }
            let failures = counts.entry(key).or_insert(Failures {
                count: 0,
                last: now,
            });
            if now.saturating_sub(failures.last) >= self.limits.forget {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
    }

    /// A password was right: its account's failures from there are forgotten. Those of the address stay: one
    /// account of his own must not give a guesser fresh tries.
    pub(crate) fn succeeded(&self, account: &str, from: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&Key::Pair(bounded(account), network(from)));
    }

    fn keys(&self, account: &str, from: IpAddr) -> [(Key, u32); 3] {
        let (account, from) = (bounded(account), network(from));
        [
            (Key::Pair(account.clone(), from), self.limits.pair),
            (Key::Account(account), self.limits.account),
            (Key::Address(from), self.limits.address),
        ]
    }

    fn wait(&self, failures: Failures, free: u32, now: Duration) -> Duration {
        let since = now.saturating_sub(failures.last);
        let Some(over) = failures.count.checked_sub(free) else {
            return Duration::ZERO;
        };
        if since >= self.limits.forget {
            return Duration::ZERO;
        }
        let wait = self
            .limits
            .first_wait
            .saturating_mul(1_u32.checked_shl(over).unwrap_or(u32::MAX))
            .min(self.limits.longest_wait);
        wait.saturating_sub(since)
    }
}

/// Drops what is forgotten anyway; if that is nothing, the quarter that failed longest ago. A quarter, so that
/// a flood of addresses costs one pass for thousands of them and not for each.
fn make_room(counts: &mut HashMap<Key, Failures>, now: Duration, limits: &LoginLimits) {
    counts.retain(|_, failures| now.saturating_sub(failures.last) < limits.forget);
    if counts.len() < limits.counts {
        return;
    }
    let mut ages: Vec<Duration> = counts.values().map(|failures| failures.last).collect();
    let quarter = ages.len() / 4;
    let (_, &mut cut, _) = ages.select_nth_unstable(quarter);
    let mut excess = quarter + 1;
    counts.retain(|_, failures| {
        let drop = failures.last <= cut && excess > 0;
        excess -= usize::from(drop);
        !drop
    });
}

/// Names that are too long for an account share one count.
fn bounded(account: &str) -> String {
    match account.len() <= 128 {
        true => account.to_owned(),
        false => "(too long)".to_owned(),
    }
}

/// The address for which failures count. A customer of an IPv6 provider has a /64 at least and can change the
/// rest at will; an IPv4 address in IPv6 clothes is that IPv4 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) >> 64 << 64;
            IpAddr::V6(prefix.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(clock: &Clock) -> Limits {
        Limits::new(LoginLimits::default(), clock.clone())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn waits_double_and_end() {
        let clock = Clock::standing_at(0);
        let limits = limits(&clock);
        let here = ip("192.0.2.1");
        for _ in 0..4 {
            limits.failed("ali", here);
            assert_eq!(limits.check("ali", here), Ok(()));
        }
        for seconds in [1, 2, 4, 8] {
            limits.failed("ali", here);
            assert_eq!(limits.check("ali", here), Err(Duration::from_secs(seconds)));
        }
        clock.step(1_000_000);
        assert!(
            limits.check("ali", here).is_err(),
            "a step of the wall clock"
        );
        clock.advance(Duration::from_secs(5));
        assert_eq!(limits.check("ali", here), Err(Duration::from_secs(3)));
        clock.advance(Duration::from_secs(3));
        assert_eq!(limits.check("ali", here), Ok(()));
        for _ in 0..100 {
            limits.failed("ali", here);
        }
        assert_eq!(limits.check("ali", here), Err(Duration::from_secs(300)));
        clock.advance(Duration::from_secs(900));
        assert_eq!(limits.check("ali", here), Ok(()), "forgotten");
        limits.failed("ali", here);
        assert_eq!(limits.check("ali", here), Ok(()), "counted anew");
    }

    #[test]
    fn others_are_not_locked_out() {
        let limits = limits(&Clock::standing_at(0));
        for _ in 0..10 {
            limits.failed("ali", ip("192.0.2.1"));
        }
        assert_eq!(limits.check("ali", ip("192.0.2.2")), Ok(()));
        assert_eq!(limits.check("baba", ip("192.0.2.1")), Ok(()));
        limits.succeeded("ali", ip("192.0.2.1"));
        assert_eq!(limits.check("ali", ip("192.0.2.1")), Ok(()));
    }

    #[test]
    fn one_account_from_everywhere_and_every_account_from_one_address() {
        let limits = limits(&Clock::standing_at(0));
        for number in 0..60 {
            limits.failed("ali", ip(&format!("192.0.2.{number}")));
            limits.failed(&format!("user{number}"), ip("198.51.100.1"));
        }
        assert!(limits.check("ali", ip("203.0.113.1")).is_err());
        assert!(limits.check("somebody", ip("198.51.100.1")).is_err());
        limits.succeeded("mine", ip("198.51.100.1"));
        assert!(limits.check("somebody", ip("198.51.100.1")).is_err());
        assert_eq!(limits.check("somebody", ip("203.0.113.1")), Ok(()));
    }

    #[test]
    fn addresses_are_what_a_person_has() {
        assert_eq!(network(ip("2001:db8:1:2:3:4:5:6")), ip("2001:db8:1:2::"));
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn memory_is_limited() {
        let clock = Clock::standing_at(0);
        let small = LoginLimits {
            counts: 100,
            ..LoginLimits::default()
        };
        let limits = Limits::new(small, clock.clone());
        for number in 0_u32..10_000 {
            clock.advance(Duration::from_millis(1));
            limits.failed(
                &"x".repeat(100_000),
                IpAddr::V4((0x0a00_0000 + number).into()),
            );
        }
        assert!(limits.counts.lock().unwrap().len() <= 100);
        let same_moment = Limits::new(small, Clock::standing_at(0));
        for number in 0_u32..10_000 {
            same_moment.failed("ali", IpAddr::V4((0x0a00_0000 + number).into()));
        }
        assert!(same_moment.counts.lock().unwrap().len() <= 100);
    }
}
